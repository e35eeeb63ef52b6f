"""A scheduler on this machine, and jobs of SLURM that work for it, by dask-jobqueue."""

import signal
import threading

import dask
from dask_jobqueue.slurm import SLURMCluster, SLURMJob

from service import certificates
from service.settings import load
from service.workers import DASK

INTERFACE = "ib0"  # of the network on which the nodes reach this machine
JOBS, CORES, MEMORY, WALLTIME = 8, 16, "32GB", "12:00:00"


class Job(SLURMJob):  # type: ignore[misc]
    """A job that runs `fallline worker`, where dask-jobqueue would start Dask's own."""

    def job_script(self) -> str:
        """The script to submit: Dask's workers would have neither our versions nor our care."""
        command = f"exec fallline worker {self.scheduler} --workers {self.worker_cores}"
        return "\n".join([self.shebang, self.job_header, command, ""])


def main() -> None:
    """Have so many jobs until told to stop, and cancel them then."""
    settings = load()
    address = settings.cluster or "tls://127.0.0.1:8786"
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda _signal, _frame: stop.set())
    with (
        dask.config.set(DASK),
        SLURMCluster(
            job_cls=Job,
            job_name="fallline-worker",
            cores=CORES,
            processes=1,
            memory=MEMORY,
            walltime=WALLTIME,
            security=certificates.security(address, settings.certificate_folder),
            scheduler_options={
                "interface": INTERFACE,
                "port": int(address.rpartition(":")[2]),
                "dashboard_address": "127.0.0.1:0",
            },
        ) as cluster,
    ):
        cluster.scale(jobs=JOBS)
        stop.wait()


if __name__ == "__main__":
    main()
