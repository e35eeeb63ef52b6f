import hashlib
import io
import stat
from pathlib import Path

import pytest

from service.errors import NotFound
from service.store import Store

DATA = b"a,b\n1,2\n" * 10_000


def test_a_stream_and_a_draft_go_round(tmp_path: Path) -> None:
    store = Store(tmp_path / "blobs")
    digest = store.put(io.BytesIO(DATA))
    assert digest == hashlib.sha256(DATA).hexdigest()
    assert store.path(digest).read_bytes() == DATA
    with store.draft() as draft:
        draft.write_bytes(DATA[::-1])
        other = store.put(draft)
    assert store.path(other).read_bytes() == DATA[::-1]
    assert {path.name for path in (tmp_path / "blobs").iterdir()} == {digest, other}


def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.put(io.BytesIO(DATA)) == store.put(io.BytesIO(DATA))
    assert len(list(tmp_path.iterdir())) == 1


def test_only_the_owner_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    store = Store(folder)
    file = store.path(store.put(io.BytesIO(DATA)))
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
    digest = Store(tmp_path).put(io.BytesIO(DATA))
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
