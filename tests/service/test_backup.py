"""Backups that are not whole; whole ones are taken and brought back by real servers, end to end."""

import json
import zipfile
from pathlib import Path

import pytest

from service.backup import back_up, restore
from service.database import Database
from service.errors import BackupError
from service.settings import load


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A backup of a server that has nothing yet."""
    settings = load(home=tmp_path / "home")
    with Database(settings.database_url):
        pass
    path = tmp_path / "saved.zip"
    back_up(settings, path)
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
    other = load(home=tmp_path / "other")
    for name, data in halves.items():
        path = tmp_path / f"{name}.zip"
        path.write_bytes(data)
        with pytest.raises(BackupError) as refusal:
            restore(other, path)
        assert "\n" not in str(refusal.value), name
        assert not [path for path in other.home.rglob("*") if path.is_file()], name
    assert restore(other, saved).jobs == 0
