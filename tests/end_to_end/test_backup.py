"""A backup of a server that works, brought back on another machine."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.datasets import DATASETS
from tests.end_to_end.conftest import Machine
from tests.service.conftest import listen
from tests.service.journeys import until

pytestmark = [pytest.mark.xdist_group("command_line"), pytest.mark.timeout(300)]


def test_a_backup_taken_under_work_brings_everything_back(machine: Machine, tmp_path: Path) -> None:
    machine.start()
    saved = tmp_path / "saved.zip"
    with machine.client() as client:
        file = DATASETS["wine"](tmp_path / "wine.csv", imperfect=True)
        dataset = client.upload(file, target="target")
        fast = {"model": {"hidden": [4]}, "confirmation": {"seeds": 0}, "transfer": False}
        done = client.submit(dataset["id"], budget={"trials": 8, "epochs": 2}, **fast)
        for _ in client.watch(done["id"]):
            pass
        running = client.submit(dataset["id"], budget={"trials": 600, "epochs": 20}, **fast)
        until(lambda: client.job(running["id"])["counts"]["completed"] >= 8)
        found = machine.run("backup", saved)
        assert found.returncode == 0, found.stderr
        assert "2 jobs and 1 datasets" in found.stdout
        assert client.job(running["id"])["state"] == "running"
        trials = client.report(done["id"])["trials"]
        best = client.best(done["id"])
        token = (machine.home / "token").read_text()
    assert machine.run("backup", saved).returncode == 1  # replaces nothing
    machine.kill()
    assert saved.stat().st_mode & 0o077 == 0
    assert token not in saved.read_bytes().decode("latin-1")
    with zipfile.ZipFile(saved) as archive:
        assert not any("token" in name for name in archive.namelist())
        assert json.loads(archive.read("manifest.json"))["form"] == 1

    refused = machine.run("restore", saved)
    assert refused.returncode == 1
    assert "already" in refused.stderr

    other = Machine(tmp_path / "other")
    brought = other.run("restore", saved)
    assert brought.returncode == 0, brought.stderr
    assert "2 jobs and 1 datasets" in brought.stdout
    other.start()
    try:
        with other.client() as client:
            assert client.job(done["id"])["state"] == "completed"
            assert client.report(done["id"])["trials"] == trials
            assert client.best(done["id"]) == best
            before = client.job(running["id"])["counts"]["completed"]
            until(lambda: client.job(running["id"])["counts"]["completed"] > before)
            client.cancel(running["id"])
    finally:
        other.stop()


def test_the_doctor_says_how_the_server_is(running_machine: Machine, machine: Machine) -> None:
    found = running_machine.run("doctor")
    assert found.returncode == 0, found.stdout
    assert "ready at" in found.stdout
    listener = listen()  # answers nothing
    machine.environment["FALLLINE_PORT"] = str(listener.getsockname()[1])
    told = machine.run("doctor", "--json")
    listener.close()
    states = {check["about"]: check["state"] for check in json.loads(told.stdout)}
    assert (told.returncode, states["server"]) == (1, "failed")
