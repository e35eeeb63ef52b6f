"""The clock of the machine is set to another time, forwards and back, while a study is under way."""

import time
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.invariants import check_file
from tests.chaos.patience import Patient
from tests.chaos.repeated import Repeated
from tests.end_to_end.conftest import Machine
from tests.service.journeys import until

pytestmark = pytest.mark.timeout(300)

# Shifts what a process is told the time is; of Debian's package `libfaketime`.
SHIFTER = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
STEPS = (3600, -3600, 86_400, 0)  # seconds from the true time


def test_it_costs_no_wave_and_changes_no_result(machine: Machine, tmp_path: Path) -> None:
    if SHIFTER is None:
        pytest.skip("the clock cannot be shifted: install Debian's package `libfaketime`")
    shift = tmp_path / "shift"
    shift.write_text("+0")
    machine.environment |= {
        "LD_PRELOAD": str(SHIFTER),
        "FAKETIME_TIMESTAMP_FILE": str(shift),
        "FAKETIME_CACHE_DURATION": "1",  # seconds after which it looks again
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    machine.start()
    until(machine.ready)
    with Patient(machine) as client:
        study = Repeated(machine, client, tmp_path / "table.csv", trials=2400, epochs=60)
        job = study.begun("disturbed")
        for step in STEPS:
            shift.write_text(f"{step:+d}")
            until(partial(_is_off_by, client, step))
            assert client.get(f"/v1/jobs/{job}")["state"] == "running"
        study.came_to_the_same(job)
        # Its time is counted by a clock that nobody sets.
        assert 0 < client.get(f"/v1/jobs/{job}")["seconds"] < 300
    assert machine.stop()[0] == 0
    check_file(machine.home / "fallline.db")


def _is_off_by(client: Patient, seconds: int) -> bool:
    """Whether the server's clock is that far from ours."""
    said = parsedate_to_datetime(client.once("GET", "/healthz").headers["date"]).timestamp()
    return abs(said - time.time() - seconds) < 60
