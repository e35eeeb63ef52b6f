"""A cluster by address: a scheduler and three workers over TLS, any of which may die."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.chaos.patience import Patient
from tests.chaos.repeated import Repeated
from tests.end_to_end.conftest import Machine
from tests.service.conftest import listen
from tests.service.journeys import until

pytestmark = pytest.mark.timeout(600)

WORKERS = 3


class Cluster:
    """The processes of a cluster beside a server's machine.

    Args:
        machine: whose certificates and settings they have.
    """

    def __init__(self, machine: Machine) -> None:
        listener = listen()
        self.port = listener.getsockname()[1]
        listener.close()
        self.address = f"tls://127.0.0.1:{self.port}"
        self._environment = dict(machine.environment)
        self._folder = machine.home.parent
        self.scheduler = self._start_scheduler()
        self.workers = [self.start_worker() for _ in range(WORKERS)]

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{command[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "service", *command],
                env=self._environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def _start_scheduler(self) -> subprocess.Popen[bytes]:
        return self._start("scheduler", "--port", str(self.port))

    def start_worker(self) -> subprocess.Popen[bytes]:
        """One more machine with one process."""
        return self._start("worker", self.address, "--workers", "1")

    def kill_machine(self) -> None:
        """A machine of workers vanishes; another takes its place."""
        machine = self.workers.pop(0)
        machine.kill()
        machine.wait()
        self.workers.append(self.start_worker())

    def kill_process(self) -> None:
        """The process that trains on the last machine dies."""
        found = psutil.Process(self.workers[-1].pid).children(recursive=True)
        listening = [
            each for each in found if [c for c in each.net_connections() if c.status == "LISTEN"]
        ]
        assert len(listening) == 1
        listening[0].kill()

    def kill_scheduler(self) -> None:
        """The scheduler vanishes with all that it knew, and is started again."""
        self.scheduler.kill()
        self.scheduler.wait()
        self.scheduler = self._start_scheduler()

    def close(self) -> None:
        """End all of them."""
        for process in (*self.workers, self.scheduler):
            process.send_signal(signal.SIGTERM)
        for process in (*self.workers, self.scheduler):
            assert process.wait(timeout=60) == 0


@pytest.fixture
def cluster(machine: Machine) -> Iterator[Cluster]:
    made = machine.run("cluster", "certs")
    assert made.returncode == 0, made.stderr
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in (machine.home / "certificates").iterdir()} == {
        "ca.pem": "0o600", "member.pem": "0o600", "member-key.pem": "0o600",
    }  # fmt: skip
    started = Cluster(machine)
    machine.environment |= {"FALLLINE_CLUSTER": started.address, "FALLLINE_WORKERS": str(WORKERS)}
    yield started
    started.close()


def test_whoever_dies_costs_its_wave_at_most(
    machine: Machine, cluster: Cluster, tmp_path: Path
) -> None:
    machine.start()
    until(machine.ready)
    with Patient(machine) as client:

        def workers() -> int:
            text = client.send("GET", "/metrics").text
            return int(float(text.partition("\nfallline_workers ")[2].partition("\n")[0]))

        until(lambda: workers() == WORKERS)
        study = Repeated(machine, client, tmp_path / "table.csv", trials=60, epochs=30)
        for death in (cluster.kill_process, cluster.kill_machine, cluster.kill_scheduler):
            until(lambda: workers() == WORKERS)
            job = study.begun(death.__name__)
            death()
            study.came_to_the_same(job)
    code, printed = machine.stop()
    assert (code, "Traceback" in printed) == (0, False), printed


def test_strangers_are_turned_away(machine: Machine, cluster: Cluster, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    assert machine.run("cluster", "certs", foreign).returncode == 0
    again = machine.run("cluster", "certs", foreign)
    assert (again.returncode, "exists already" in again.stderr) == (1, True)

    def refused(**environment: str) -> str:
        found = subprocess.run(
            [sys.executable, "-m", "service", "serve"],
            env=machine.environment | environment, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert (found.returncode, found.stdout) == (1, ""), found
        (line,) = found.stderr.splitlines()
        return line

    assert "No scheduler that takes our certificates answers at" in refused(
        FALLLINE_CERTIFICATES=str(foreign)
    )
    plain = cluster.address.replace("tls", "tcp")
    assert "No scheduler" in refused(FALLLINE_CLUSTER=plain)
    assert "There is no" in refused(FALLLINE_CERTIFICATES=str(tmp_path / "nowhere"))
    assert "has no TLS" in refused(FALLLINE_CLUSTER="tcp://192.0.2.1:8786")
