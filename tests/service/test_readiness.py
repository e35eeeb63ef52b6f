"""Real parts that are taken away, and what is said about it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from service import readiness
from service.database import Database
from service.engine import Engine
from service.readiness import Obstacle, Readiness
from service.sqlite_driver import driver
from tests.service.conftest import Live, live_server
from tests.service.databases import file_of
from tests.service.journeys import until
from tests.service.test_problems import problem

pytestmark = pytest.mark.xdist_group("readiness")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(1) as opened:
        until(lambda: opened.workers)
        yield opened


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    folder = tmp_path / "blobs"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0.0)


def test_with_everything_there_it_is_ready_and_leaves_nothing(
    database: Database, blobs: Path, engine: Engine
) -> None:
    version = database.version
    assert Readiness(database, blobs, engine).obstacles() == []
    assert list(blobs.iterdir()) == []
    assert database.version == version  # or every stream would look for news


def test_a_full_disk_is_named_for_all_that_is_on_it(
    database: Database, blobs: Path, engine: Engine
) -> None:
    floor = shutil.disk_usage(blobs).total * 2
    found = Readiness(database, blobs, engine, floor_bytes=floor).obstacles()
    assert [each.part for each in found] == ["database", "blobs"]
    assert all("MiB of free space, less than" in each.message for each in found)


def test_a_folder_that_is_gone_is_named_without_its_path(
    database: Database, blobs: Path, engine: Engine
) -> None:
    blobs.rmdir()
    (found,) = Readiness(database, blobs, engine).obstacles()
    assert found == Obstacle("blobs", "cannot be written: No such file or directory")


def test_a_closed_database_or_one_that_is_in_use_is_named(
    database: Database, blobs: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.sqlite.BUSY_TIMEOUT_SECONDS", 0)
    with Database(f"sqlite:///{blobs.parent / 'other.db'}") as impatient:
        other = driver.connect(file_of(impatient), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        asked = Readiness(impatient, blobs, engine)
        assert asked.obstacles() == [
            Obstacle(
                "database",
                "cannot be written: The database is busy. Nothing was changed; try again",
            )
        ]
        other.execute("ROLLBACK")
        other.close()
        assert asked.obstacles() == []


def test_whoever_comes_during_a_look_does_not_wait_for_it(
    database: Database, blobs: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Readiness(database, blobs, engine)
    assert asked._looking.acquire(blocking=False)  # as somebody who is looking
    assert asked.obstacles() == []
    monkeypatch.setattr(readiness, "STUCK_SECONDS", -1.0)
    (found,) = asked.obstacles()
    assert found.part == "database"
    asked._looking.release()
    assert asked.obstacles() == []


def test_a_worker_that_died_is_missed_until_there_is_another(
    database: Database, blobs: Path, engine: Engine
) -> None:
    asked = Readiness(database, blobs, engine)
    (worker,) = engine._client.run(os.getpid).values()
    psutil.Process(worker).kill()
    until(lambda: asked.obstacles() == [Obstacle("workers", "none is alive")])
    until(lambda: asked.obstacles() == [])


def test_anybody_is_told(tmp_path: Path) -> None:
    with live_server(tmp_path / "home") as live:
        until(lambda: live.services.runner.engine.workers)
        answer = live.anonymous.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
        live.services.settings.blob_folder.rmdir()
        _check_refusal(live, tmp_path)
        live.services.settings.blob_folder.mkdir()
        assert live.anonymous.get("/readyz").status_code == 200


def _check_refusal(live: Live, home: Path) -> None:
    answer = live.anonymous.get("/readyz")
    body = problem(answer)
    assert (body["status"], answer.headers["retry-after"]) == (503, "1")
    assert body["detail"] == "Not ready. blobs: cannot be written: No such file or directory."
    assert [each["field"] for each in body["errors"]] == ["blobs"]
    assert str(home) not in answer.text
    assert live.anonymous.get("/healthz").status_code == 200
