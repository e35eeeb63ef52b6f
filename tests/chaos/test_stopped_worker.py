"""A worker that is stopped in the middle of a wave, as by a debugger or a GPU that hangs."""

import signal
from pathlib import Path

import psutil
import pytest

from tests.chaos.invariants import check
from tests.chaos.patience import Patient
from tests.datasets import breast_cancer
from tests.end_to_end.conftest import Machine
from tests.service.journeys import Json, until

SPEC: Json = {
    "model": {"hidden": [16]},
    "space": {"batch": [32], "optimizers": ["sgd", "adam", "momentum"]},
    "budget": {"trials": 60, "epochs": 60},
    "confirmation": {"seeds": 2},
    "seed": 11,
    "transfer": False,
}


@pytest.mark.timeout(300)
def test_its_wave_is_trained_by_another_and_it_is_replaced(
    machine: Machine, tmp_path: Path
) -> None:
    machine.environment["FALLLINE_WORKERS"] = "2"
    machine.start()
    until(machine.ready)
    database = machine.home / "fallline.db"
    with Patient(machine) as client:
        dataset = client.post(
            "/v1/datasets", "upload", headers={"Content-Type": "text/csv"},
            content=breast_cancer(tmp_path / "table.csv").read_bytes(), params={"name": "table"},
        )["id"]  # fmt: skip

        def submit(key: str) -> str:
            found: str = client.post("/v1/jobs", key, json=SPEC | {"dataset": dataset})["id"]
            return found

        def pair() -> list[psutil.Process] | None:
            _, workers = machine.processes()
            return workers if len(workers) == 2 else None

        undisturbed = client.ended(submit("undisturbed"))
        stopped, other = until(pair)
        job = submit("disturbed")
        until(lambda: client.get(f"/v1/jobs/{job}")["counts"]["running"])
        stopped.send_signal(signal.SIGSTOP)
        disturbed = client.ended(job)
        assert check(database, disturbed) == check(database, undisturbed)

        until(lambda: (now := pair()) and stopped not in now and other in now)
        assert not psutil.pid_exists(stopped.pid)
