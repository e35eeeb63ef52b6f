"""A worker that is stopped in the middle of a wave, as by a debugger or a GPU that hangs."""

import signal
from pathlib import Path

import psutil
import pytest

from tests.chaos.patience import Patient
from tests.chaos.repeated import Repeated
from tests.end_to_end.conftest import Machine
from tests.service.journeys import until


@pytest.mark.timeout(300)
def test_its_wave_is_trained_by_another_and_it_is_replaced(
    machine: Machine, tmp_path: Path
) -> None:
    machine.environment["FALLLINE_WORKERS"] = "2"
    machine.start()
    until(machine.ready)

    def pair() -> list[psutil.Process] | None:
        _, workers = machine.processes()
        return workers if len(workers) == 2 else None

    with Patient(machine) as client:
        study = Repeated(machine, client, tmp_path / "table.csv", trials=60, epochs=60)
        stopped, other = until(pair)
        job = study.begin("disturbed")
        until(lambda: client.get(f"/v1/jobs/{job}")["counts"]["running"])
        stopped.send_signal(signal.SIGSTOP)
        study.came_to_the_same(job)

        until(lambda: (now := pair()) and stopped not in now and other in now)
        assert not psutil.pid_exists(stopped.pid)
