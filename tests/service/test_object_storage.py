"""Files kept elsewhere: on a real S3 server, reached over HTTP."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import NotFound, StoreUnusable, Unavailable
from service.object_storage import ObjectStorage
from service.services import open_services
from service.settings import Settings
from service.store import IN_USE_SECONDS, Store
from tests.service.object_servers import BUCKET, S3Server, s3_server
from tests.service.test_store import DATA, keep

URL = f"s3://{BUCKET}/prefix"

pytestmark = pytest.mark.xdist_group("object_storage")


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def elsewhere(folder: Path, cache_bytes: int = 10**9) -> Store:
    return Store(folder, ObjectStorage(URL), cache_bytes)


def test_bytes_go_round_by_way_of_another_machine(s3: S3Server, tmp_path: Path) -> None:
    digest = keep(elsewhere(tmp_path / "here"))
    assert s3.files() == {f"{BUCKET}/prefix/{digest}": DATA}
    there = elsewhere(tmp_path / "there")
    assert there.path(digest).read_bytes() == DATA
    there.remove(digest)
    assert (s3.files(), list((tmp_path / "there").iterdir())) == ({}, [])
    with pytest.raises(NotFound, match="no stored file"):
        there.path(digest)
    assert list((tmp_path / "there").iterdir()) == []


def test_a_copy_is_read_even_while_the_storage_is_away(s3: S3Server, tmp_path: Path) -> None:
    store = elsewhere(tmp_path)
    digest = keep(store)
    s3.stop()
    assert store.path(digest).read_bytes() == DATA


def test_nothing_is_half_done_while_the_storage_is_away(s3: S3Server, tmp_path: Path) -> None:
    store = elsewhere(tmp_path)
    digest = keep(store)
    store.path(digest).unlink()
    s3.stop()
    for act in (
        lambda: keep(store, b"others"),
        lambda: store.path(digest),
        lambda: store.reach(digest),
        lambda: store.remove(digest),
    ):
        with pytest.raises(Unavailable, match=URL) as refused:
            act()
        assert (refused.value.field, refused.value.value) == ("FALLLINE_STORE", URL)
    assert list(tmp_path.iterdir()) == []
    s3.start()
    assert s3.files() == {f"{BUCKET}/prefix/{digest}": DATA}
    assert store.path(digest).read_bytes() == DATA


def test_what_was_damaged_there_is_not_read(s3: S3Server, tmp_path: Path) -> None:
    digest = keep(elsewhere(tmp_path / "here"))
    changed = tmp_path / "changed"
    changed.write_bytes(DATA[:-1])
    ObjectStorage(URL).put(digest, changed)
    with pytest.raises(NotFound, match="damaged"):
        elsewhere(tmp_path / "there").path(digest)
    assert list((tmp_path / "there").iterdir()) == []


def test_copies_that_nobody_asked_for_make_room(s3: S3Server, tmp_path: Path) -> None:
    store = elsewhere(tmp_path, cache_bytes=2 * len(DATA))
    old, older = keep(store, DATA + b"old"), keep(store, DATA + b"older")
    for digest, days in ((old, 2), (older, 3)):
        then = time.time() - days * IN_USE_SECONDS
        os.utime(tmp_path / digest, (then, then))
    new = keep(store)
    assert {path.name for path in tmp_path.iterdir()} == {new}
    store.path(older)
    store.path(old)
    # All are in use now, and stay even if they are too many.
    assert {path.name for path in tmp_path.iterdir()} == {new, old, older}


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("s3://nowhere/prefix", "Cannot write to FALLLINE_STORE=s3://nowhere/prefix: "),
        ("nosuch://bucket", "Protocol not known: nosuch"),
    ],
)
def test_a_server_does_not_start_without_its_store(
    s3: S3Server, tmp_path: Path, url: str, text: str
) -> None:
    with (
        pytest.raises(StoreUnusable, match=text) as refused,
        open_services(Settings(home=tmp_path, store=url)),
    ):
        pass
    assert "secret" not in str(refused.value)


def test_a_server_says_that_its_store_is_not_there(s3: S3Server, tmp_path: Path) -> None:
    s3.stop()
    with pytest.raises(StoreUnusable, match=f"Cannot write to FALLLINE_STORE={URL}: "):
        ObjectStorage(URL)
