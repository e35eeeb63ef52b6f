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


@pytest.fixture
def saved(machine: Machine, tmp_path: Path) -> Path:
    """A backup of a server that has nothing yet."""
    machine.start()
    machine.stop()
    path = tmp_path / "saved.zip"
    assert machine.run("backup", path).returncode == 0
    return path


def test_a_backup_that_is_not_whole_leaves_nothing_behind(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    halves = {"cut": content[: len(content) // 2], "text": b"PK nothing", "empty": b""}
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    changed = bytearray(members["database.sqlite"])
    changed[5000] ^= 1
    manifest = json.loads(members["manifest.json"])
    outside = manifest | {"files": manifest["files"] | {"../../outside": "0" * 64}}
    for name, different in {
        "digest": {"database.sqlite": bytes(changed)},
        "outside": {"manifest.json": json.dumps(outside).encode()},
        "later": {"manifest.json": json.dumps(manifest | {"form": 2}).encode()},
    }.items():
        path = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in (members | different).items():
                archive.writestr(member, data)
        halves[name] = path.read_bytes()
    other = Machine(tmp_path / "other")
    for name, data in halves.items():
        path = tmp_path / f"{name}.zip"
        path.write_bytes(data)
        refused = other.run("restore", path)
        assert refused.returncode == 1, name
        assert refused.stderr.count("\n") == 1, refused.stderr  # one line
        assert not [path for path in other.home.rglob("*") if path.is_file()], name


def test_the_doctor_says_how_the_server_is(machine: Machine) -> None:
    machine.start()
    found = machine.run("doctor")
    assert found.returncode == 0, found.stdout
    assert "ready at" in found.stdout
    machine.stop()
    listener = listen()
    machine.environment["FALLLINE_PORT"] = str(listener.getsockname()[1])
    told = machine.run("doctor", "--json")
    listener.close()
    states = {check["about"]: check["state"] for check in json.loads(told.stdout)}
    assert (told.returncode, states["server"]) == (1, "failed")
