"""How the service answers for studies of 100 to 100,000 trials.

Jobs of each size are filled through the server's own writers, with 20 intermediate values a trial;
then a real server on that home is asked for what pages and clients ask for. Every first answer is made
after a write, so that none is a repeated one; "again" is the same request while nothing was written.
Beside them what optuna-dashboard asks for to show a study's page. Run alone: ``python -m benchmarks.scale``.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer
from sqlalchemy import insert

from benchmarks.overhead import Stage
from service import claims, jobs, tables, trials
from service.database import Database
from service.ingest import read_upload, write_parquet
from service.store import Store, digest_of
from service.tokens import LOCAL_OWNER
from studies.data.schema import describe
from studies.resolve import Resolved, resolve
from studies.run import Asked, run_study
from studies.search import Search
from studies.spec import StudySpec

TOKEN = "benchmark-0123456789"
ROUNDS = 30
ADDRESSES = {
    "job": "/v1/jobs/{job}",
    "jobs": "/v1/jobs?limit=20",
    "best": "/v1/jobs/{job}/best",
    "report": "/v1/jobs/{job}/report",
    "100 trials": "/v1/jobs/{job}/trials",
    "100 best trials": "/v1/jobs/{job}/trials?sort=value",
    "manifest": "/v1/jobs/{job}/manifest",
    "page of the job": "/jobs/{job}",
    "its charts": "/jobs/{job}/live.json",
    "its answer": "/jobs/{job}/answer",
    "what matters": "/jobs/{job}/importance",
}
DASHBOARD = ("/dashboard/studies/{study}", "/api/studies/{study}")


@dataclass(frozen=True)
class Job:
    """A job that was filled.

    Attributes:
        id: its id.
        study: Optuna's id of its study.
        write: milliseconds a trial, to ask, tell and store it.
        rebuild: seconds to read its trials and make the model of them that goes on.
        size: bytes that the database grew by.
    """

    id: str
    study: int
    write: float
    rebuild: float
    size: int


def fill(database: Database, resolved: Resolved, dataset: str, number: int) -> Job:
    """A completed job of so many trials."""
    before = _size(database)
    with database.write() as connection:
        job_id = jobs.create(
            connection, owner=LOCAL_OWNER, dataset_id=dataset, request={}, resolved=resolved
        )
        claim = claims.claim(connection)
    assert claim is not None

    began = time.perf_counter()
    for event in run_study(claim.spec, Stage().submit):
        with database.write() as connection:
            if isinstance(event, Asked):
                claims.record_asked(connection, claim, event.trials)
            else:
                claims.record_told(connection, claim, event.trials, 1.0)
    write = 1000 * (time.perf_counter() - began) / number
    began = time.perf_counter()
    with database.read() as connection:
        known = trials.read(connection, claim.study_id)
    Search(claim.spec, known)
    rebuild = time.perf_counter() - began
    with database.write() as connection:
        claims.finish(connection, claim, "completed", seconds=1.0)
    return Job(job_id, claim.study_id, write, rebuild, _size(database) - before)


def _size(database: Database) -> int:
    with database.read() as connection:
        pages, size = (
            connection.exec_driver_sql(f"PRAGMA {each}").scalar_one()
            for each in ("page_count", "page_size")
        )
    return int(pages * size)


def prepare(home: Path, sizes: Sequence[int]) -> dict[int, Job]:
    """A home with a job of every size."""
    frame = load_breast_cancer(as_frame=True).frame
    frame.to_csv(home / "table.csv", index=False)
    read = read_upload(home / "table.csv")
    schema = describe(read.table)
    store = Store(home / "blobs")
    filled = {}
    with Database(f"sqlite:///{home / 'fallline.db'}") as database:
        with store.draft() as draft:
            write_parquet(read.table, draft)
            digest, size = digest_of(draft), draft.stat().st_size
            store.put(digest, draft)
        with database.write() as connection:
            connection.execute(
                insert(tables.datasets).values(
                    id="table", owner=LOCAL_OWNER, name="table", digest=digest, rows=schema.rows,
                    columns=[column.model_dump(mode="json") for column in schema.columns],
                    bytes=size, warnings=[],
                )
            )  # fmt: skip
        for number in sizes:
            given = {
                "budget": {"trials": number, "epochs": 20},
                "sampler": "random",
                "space": {"optimizers": ["sgd", "momentum", "adam", "adamw", "rmsprop"]},
                "confirmation": {"seeds": 0},
                "transfer": False,
            }
            resolved = resolve(StudySpec.model_validate(given), schema)
            filled[number] = fill(database, resolved, "table", number)
    return filled


@dataclass(frozen=True)
class Times:
    """Seconds of answers: each after a write, and again."""

    first: list[float]
    again: list[float]

    def cell(self) -> str:
        """Median and 99th percentile after a write, then median of the same again, in ms."""
        ordered = sorted(self.first)
        p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        parts = (statistics.median(ordered), p99, statistics.median(self.again))
        return " / ".join(f"{1000 * each:.0f}" for each in parts)


def ask(client: httpx.Client, job: Job, address: str, rounds: int) -> Times:
    """Ask again and again, with a write before every first time."""
    first: list[float] = []
    again: list[float] = []
    path = address.format(job=job.id, study=job.study)
    for number in range(rounds):
        client.patch(f"/v1/jobs/{job.id}", json={"name": f"round {number}"}).raise_for_status()
        for times in (first, again):
            began = time.perf_counter()
            client.get(path).raise_for_status()
            times.append(time.perf_counter() - began)
    return Times(first, again)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args(given)
    console = Console(width=160)
    with tempfile.TemporaryDirectory() as folder:
        filled = prepare(Path(folder), chosen.sizes)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = os.environ | {
            "FALLLINE_HOME": folder, "FALLLINE_PORT": str(port), "FALLLINE_TOKEN": TOKEN,
            "FALLLINE_WORKERS": "1", "FALLLINE_LOG_LEVEL": "error",
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with subprocess.Popen(
            [sys.executable, "-m", "service", "serve"], env=environment, stdout=subprocess.DEVNULL
        ) as process:
            try:
                address = f"http://127.0.0.1:{port}"
                with httpx.Client(base_url=address, headers=headers, timeout=600) as client:
                    show(console, client, process.pid, port, filled, chosen.rounds)
            finally:
                process.terminate()


def show(
    console: Console, client: httpx.Client, pid: int, port: int, filled: dict[int, Job], rounds: int
) -> None:
    """Measure, and print a table."""
    _await_start(client)
    shown = Table("", *(f"{size:,} trials" for size in filled), title="milliseconds")
    rows: dict[str, list[str]] = {}

    def add(name: str, cell: str) -> None:
        rows.setdefault(name, []).append(cell)

    for job in filled.values():
        add("to ask, tell and store a trial", f"{job.write:.2f}")
        add("to rebuild the study", f"{1000 * job.rebuild:.0f}")
        add("database, MB", f"{job.size / 1e6:.1f}")
        for name in ("best", "report"):
            # The server makes both when a job ends; that of these jobs was not there.
            began = time.perf_counter()
            client.get(f"/v1/jobs/{job.id}/{name}").raise_for_status()
            taken = 1000 * (time.perf_counter() - began)
            add(f"to make what its {name} rests on, once", f"{taken:.0f}")
        for name, address in ADDRESSES.items():
            add(f"{name}: median / p99 / again", ask(client, job, address, rounds).cell())
        times = [ask(client, job, address, 3) for address in DASHBOARD]
        pages = [sum(each) for each in zip(*(each.first for each in times), strict=True)]
        add("dashboard's page of the study", f"{1000 * statistics.median(pages):.0f}")
        add("memory of the server, MB", f"{_memory(pid, port) / 1e6:.0f}")
    for name, cells in rows.items():
        shown.add_row(name, *cells)
    console.print(shown)


def _memory(pid: int, port: int) -> int:
    """Of the process that answers."""
    for process in psutil.Process(pid).children(recursive=True):
        if any(each.laddr.port == port for each in process.net_connections(kind="inet")):
            return int(process.memory_info().rss)
    raise RuntimeError("nobody answers")


def _await_start(client: httpx.Client) -> None:
    deadline = time.monotonic() + 120.0
    while True:
        try:
            client.get("/readyz").raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
