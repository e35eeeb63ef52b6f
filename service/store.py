"""The bytes of datasets on local disk, each file named by the SHA-256 of what it holds.

A file appears under its name whole and durable or not at all, and never changes.
"""

import hashlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from service import private_files
from service.errors import NotFound

DIGEST = re.compile(r"[0-9a-f]{64}")
UNFINISHED = ".unfinished"


class Store:
    """A folder of immutable files.

    Only one process may own the folder: opening it sweeps away what an earlier one left undone.

    Args:
        folder: where the files are; made if it does not exist.

    Attributes:
        changing: held from `put` until something names the file, and from the end of its last name
            until `remove`: else a file could go that was just put again.
    """

    def __init__(self, folder: Path) -> None:
        self.changing = threading.Lock()
        private_files.make_folder(folder)
        self._folder = folder
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

    def put(self, source: Path | BinaryIO) -> str:
        """Keep some bytes for good.

        Args:
            source: a file made by `draft`, which is moved, or a stream, which is copied.

        Returns:
            The digest by which `path` finds them.
        """
        if isinstance(source, Path):
            return self._adopt(source)
        with self.draft() as draft:
            with draft.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            return self._adopt(draft)

    def path(self, digest: str) -> Path:
        """Where the bytes with this digest are.

        Raises:
            NotFound: there are none, or this is not a digest.
        """
        if not DIGEST.fullmatch(digest) or not (self._folder / digest).is_file():
            raise NotFound("There is no stored file with this digest.")
        return self._folder / digest

    def remove(self, digest: str) -> None:
        """Remove a file that nothing names any more."""
        self.path(digest).unlink()

    def _adopt(self, draft: Path) -> str:
        with draft.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        draft.replace(self._folder / digest)
        _make_renames_durable(self._folder)
        return digest


def _make_renames_durable(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
