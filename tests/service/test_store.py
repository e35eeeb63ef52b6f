import hashlib
import stat
from pathlib import Path

import pytest

from service.errors import NotFound
from service.store import Store, digest_of

DATA = b"a,b\n1,2\n" * 10_000


def keep(store: Store, data: bytes = DATA) -> str:
    with store.draft() as draft:
        draft.write_bytes(data)
        digest = digest_of(draft)
        store.put(digest, draft)
    return digest


def test_bytes_go_round(tmp_path: Path) -> None:
    store = Store(tmp_path / "blobs")
    digests = {keep(store, data): data for data in (DATA, DATA[::-1])}
    assert digests.keys() == {hashlib.sha256(data).hexdigest() for data in (DATA, DATA[::-1])}
    for digest, data in digests.items():
        assert store.path(digest).read_bytes() == data
    assert {path.name for path in (tmp_path / "blobs").iterdir()} == digests.keys()


def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert keep(store) == keep(store)
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_removed_is_gone_and_may_be_removed_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    digest = keep(store)
    for _ in range(2):
        store.remove(digest)
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    store = Store(folder)
    file = store.path(keep(store))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_abandoned_draft_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail_half_way() -> None:
        with store.draft() as draft:
            draft.write_bytes(DATA)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_is_swept_and_the_rest_stays(tmp_path: Path) -> None:
    digest = keep(Store(tmp_path))
    (tmp_path / "tmp123.unfinished").write_bytes(DATA)
    assert Store(tmp_path).path(digest).exists()
    assert [path.name for path in tmp_path.iterdir()] == [digest]


@pytest.mark.parametrize(
    "digest",
    ["", "..", "../token", "0" * 64, "0" * 63, "A" * 64, "0" * 64 + "\n", "/etc/passwd", "０" * 64],
)
def test_only_digests_of_stored_files_have_a_path(tmp_path: Path, digest: str) -> None:
    with pytest.raises(NotFound, match="no stored file"):
        Store(tmp_path).path(digest)
