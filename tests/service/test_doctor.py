import socket
import sqlite3
from pathlib import Path
from typing import NamedTuple

import pytest

from service.database import Database
from service.doctor import Check, examine
from service.settings import Settings, load
from tests.service.conftest import listen


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    listener = listen()
    port = listener.getsockname()[1]
    listener.close()
    return load(home=tmp_path / "home", port=port, workers=1)


def made(settings: Settings) -> Settings:
    """With a home as a server leaves it."""
    settings.home.mkdir(mode=0o700)
    with Database(settings.database_url):
        pass
    settings.token_file.write_text("fall_0123456789abcdef")
    settings.token_file.chmod(0o600)
    return settings


def checks(settings: Settings) -> dict[str, Check]:
    return {check.about: check for check in examine(settings)}


def test_a_machine_without_anything_yet_is_well(settings: Settings) -> None:
    found = checks(settings)
    assert {check.state for check in found.values()} <= {"ok", "warning"}  # the disk may be full
    assert not settings.home.exists()
    assert "serve" in found["database"].advice


def test_a_home_as_a_server_leaves_it_is_well_and_stays_as_it_is(settings: Settings) -> None:
    made(settings)
    before = {path: path.read_bytes() for path in settings.home.iterdir()}
    found = checks(settings)
    assert {found[about].state for about in ("home", "database", "token", "server")} == {"ok"}
    assert "whole" in found["database"].found
    assert {path: path.read_bytes() for path in settings.home.iterdir()} == before


def test_a_broken_database_is_seen(settings: Settings) -> None:
    made(settings)
    content = bytearray((settings.home / "fallline.db").read_bytes())
    content[8192:40960] = b"\xff" * 32768
    (settings.home / "fallline.db").write_bytes(content)
    found = checks(settings)["database"]
    assert found.state == "failed"
    assert "fallline restore" in found.advice


def test_a_database_of_another_program_is_seen(settings: Settings) -> None:
    settings.home.mkdir()
    with sqlite3.connect(settings.home / "fallline.db") as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    assert checks(settings)["database"].state == "failed"


def test_what_others_can_read_is_seen(settings: Settings) -> None:
    made(settings)
    settings.home.chmod(0o755)
    settings.token_file.chmod(0o644)
    found = checks(settings)
    assert (found["home"].state, found["token"].state) == ("warning", "failed")


def test_a_taken_port_is_seen(settings: Settings) -> None:
    listener = listen()
    taken = settings.model_copy(update={"port": listener.getsockname()[1]})
    listener.close()
    with socket.socket() as other:  # has the port, and does not listen
        other.bind(("127.0.0.1", taken.port))
        found = checks(taken)["server"]
    assert (found.state, str(taken.port) in found.found) == ("failed", True)


def test_more_workers_than_cores_are_seen(settings: Settings) -> None:
    many = settings.model_copy(update={"workers": 1000})
    assert checks(many)["workers"].state == "warning"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_full_disk_is_seen(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage(10, 10, 0))
    assert checks(settings)["disk"].state == "warning"
