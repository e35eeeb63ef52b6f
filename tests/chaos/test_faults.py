"""What machines do besides dying: a database is held, restarted or without room for more."""

import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.chaos.invariants import check_file
from tests.chaos.patience import Patient
from tests.chaos.repeated import Repeated
from tests.end_to_end.conftest import Machine
from tests.service import databases
from tests.service.journeys import until

pytestmark = pytest.mark.timeout(300)

HINDERED_SECONDS = 5.0
RESTARTS = 3


@contextmanager
def study_under_way(machine: Machine, file: Path) -> Iterator[tuple[Patient, str]]:
    """A job to be disturbed in the block; after it the job is to end like one undisturbed."""
    machine.start()
    until(machine.ready)
    with Patient(machine) as client:
        study = Repeated(machine, client, file, trials=120, epochs=20)
        job = study.begun("disturbed")
        yield client, job
        study.came_to_the_same(job)
    code, printed = machine.stop()
    assert (code, "Traceback" in printed) == (0, False), printed


def gone_on(client: Patient, job: str, waves: int) -> bool:
    """Whether a job has stored more waves than those."""
    return bool(client.get(f"/v1/jobs/{job}")["waves"] > waves)


def nothing_is_stored(client: Patient, job: str) -> None:
    """See for some seconds that a job does not go on, and that what is stored can be read."""
    waves = client.get(f"/v1/jobs/{job}")["waves"]
    time.sleep(HINDERED_SECONDS)
    assert client.get(f"/v1/jobs/{job}")["waves"] == waves


def test_a_database_that_another_program_holds_is_waited_for(
    machine: Machine, tmp_path: Path
) -> None:
    with study_under_way(machine, tmp_path / "table.csv") as (client, job):
        other = sqlite3.connect(machine.home / "fallline.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        nothing_is_stored(client, job)
        other.execute("ROLLBACK")
        other.close()
    check_file(machine.home / "fallline.db")


def test_a_disk_that_takes_no_more_is_told_of_and_waited_for(
    machine: Machine, tmp_path: Path
) -> None:
    with study_under_way(machine, tmp_path / "table.csv") as (client, job):
        server, _ = machine.processes()
        _, hard = server.rlimit(psutil.RLIMIT_FSIZE)
        server.rlimit(psutil.RLIMIT_FSIZE, (4096, hard))  # no file may grow beyond that
        try:
            answer = client.once("PATCH", f"/v1/jobs/{job}", json={"name": "full"})
            assert answer.status_code == 503, answer.text
            assert "disk" in answer.json()["detail"]
            nothing_is_stored(client, job)
        finally:
            server.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    check_file(machine.home / "fallline.db")


def test_postgresql_is_restarted_again_and_again(machine: Machine, tmp_path: Path) -> None:
    with databases.running() as postgresql:
        machine.environment["FALLLINE_DATABASE"] = postgresql.new()
        with study_under_way(machine, tmp_path / "table.csv") as (client, job):
            for _ in range(RESTARTS):
                waves = client.get(f"/v1/jobs/{job}")["waves"]
                postgresql.stop()
                answer = client.once("GET", f"/v1/jobs/{job}")
                assert answer.status_code == 503, answer.text
                time.sleep(HINDERED_SECONDS)
                postgresql.start()
                until(partial(gone_on, client, job, waves))
