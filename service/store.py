"""The bytes of datasets, each file named by the SHA-256 of what it holds.

They are in a folder on local disk, or in an object storage with a local folder as its cache. A
file appears under its name whole and durable or not at all, and never changes, so whatever the
cache holds stays right.
"""

import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service import private_files
from service.errors import NotFound
from service.object_storage import ObjectStorage

DIGEST = re.compile(r"[0-9a-f]{64}")
UNFINISHED = ".unfinished"
IN_USE_SECONDS = 86_400.0
"""A cached file that somebody asked for within this time may still be read by a worker."""


def digest_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class Store:
    """Immutable files.

    Only one process may own the folder: opening it sweeps away what an earlier one left undone. Others
    may read it, and fetch into it what is not there.

    Args:
        folder: where the files are, or copies of them; made if it does not exist.
        storage: where the files are if not in the folder.
        cache_bytes: that copies may take; those in use may take more.
        owned: whether this process is that one.
    """

    def __init__(
        self,
        folder: Path,
        storage: ObjectStorage | None = None,
        cache_bytes: int | None = None,
        *,
        owned: bool = True,
    ) -> None:
        private_files.make_folder(folder)
        self._folder, self._storage, self._cache_bytes = folder, storage, cache_bytes
        self._locks = [threading.Lock() for _ in range(64)]
        if owned:
            for left_over in folder.glob(f"*{UNFINISHED}"):
                left_over.unlink()

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A fresh private file to write to, for `put`; removed at the end unless it was put."""
        # In the same folder, because a rename is atomic only within one file system.
        handle, name = tempfile.mkstemp(suffix=UNFINISHED, dir=self._folder)
        os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    @contextmanager
    def changing(self, digest: str) -> Iterator[None]:
        """Hold from `put` until something names the file, and from its last name's end to `remove`.

        Else a file could go that was just put again. Files of other digests hardly wait.
        """
        with self._locks[int(digest[:8], 16) % len(self._locks)]:
            yield

    def put(self, digest: str, draft: Path) -> None:
        """Keep a file for good.

        Args:
            digest: its own, by which `path` finds it.
            draft: made by `draft`; it is moved.

        Raises:
            Unavailable: the storage cannot be reached; nothing was kept.
        """
        if self._storage is not None:
            self._storage.put(digest, draft)
        self._adopt(digest, draft)

    def path(self, digest: str) -> Path:
        """A local file with the bytes of this digest; it stays for a day at least.

        Raises:
            NotFound: there are none, or this is not a digest.
            Unavailable: they are in a storage that cannot be reached.
        """
        if not DIGEST.fullmatch(digest):
            raise _missing()
        path = self._folder / digest
        if self._storage is None:
            if not path.is_file():
                raise _missing()
            return path
        try:
            os.utime(path)
        except FileNotFoundError:
            self._fetch(self._storage, digest)
        return path

    def reach(self, digest: str) -> None:
        """See that a file could be removed now, before anything else is.

        Raises:
            Unavailable: it is in a storage that cannot be reached.
        """
        if self._storage is not None:
            self._storage.reach(digest)

    def remove(self, digest: str) -> None:
        """Remove a file that nothing names any more; one that is gone already is fine.

        Raises:
            Unavailable: it is in a storage that cannot be reached.
        """
        if self._storage is not None:
            self._storage.remove(digest)
        (self._folder / digest).unlink(missing_ok=True)

    def _adopt(self, digest: str, draft: Path) -> None:
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(self._folder / digest)
        _make_renames_durable(self._folder)
        if self._cache_bytes is not None:
            self._trim(self._cache_bytes)

    def _fetch(self, storage: ObjectStorage, digest: str) -> None:
        with self.draft() as draft:
            storage.get(digest, draft)
            if digest_of(draft) != digest:
                raise NotFound(f"The stored file in {storage.url} with this digest is damaged.")
            self._adopt(digest, draft)

    def _trim(self, allowed: int) -> None:
        """Forget the copies that were longest not asked for, until the others have room."""
        copies: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # removed, or forgotten by another thread
                state = path.stat()
                copies.append((state.st_mtime, state.st_size, path))
        held = sum(size for _, size, _ in copies)
        for asked_for, size, path in sorted(copies):
            if held <= allowed or asked_for > time.time() - IN_USE_SECONDS:
                return
            path.unlink(missing_ok=True)
            held -= size


def _missing() -> NotFound:
    return NotFound("There is no stored file with this digest.")


def _make_renames_durable(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
