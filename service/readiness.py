"""Whether the server can do its work now: write, store an upload, train.

Anybody may ask, so asking is cheap: whoever comes within a second of a look gets what it found.
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from service.database import Database
from service.engine import Engine
from service.errors import HINDRANCES

FLOOR_BYTES = 256 * 1024**2  # of free space: a wave of results and a small upload fit
FRESH_SECONDS = 1.0
# A look that takes longer waits for something, most likely for another process's write.
STUCK_SECONDS = 5.0


@dataclass(frozen=True)
class Obstacle:
    """Something that keeps the server from its work.

    Attributes:
        part: `database`, `blobs` or `workers`.
        message: what is wrong, without paths or values: it is told to anybody.
    """

    part: str
    message: str


class Readiness:
    """Looks whether every part is there that a job needs.

    Args:
        database: must let us write.
        blob_folder: must take files.
        engine: must have a worker.
        floor_bytes: free space below which neither can be relied on.
    """

    def __init__(
        self,
        database: Database,
        blob_folder: Path,
        engine: Engine,
        *,
        floor_bytes: int = FLOOR_BYTES,
    ) -> None:
        self._looks: dict[str, Callable[[], str | None]] = {
            "database": lambda: _database(database, floor_bytes),
            "blobs": lambda: _blobs(blob_folder, floor_bytes),
            "workers": lambda: _workers(engine),
        }
        self._looking = threading.Lock()
        self._found: list[Obstacle] = []
        self._at = time.monotonic()
        self._expires = self._at

    def obstacles(self) -> list[Obstacle]:
        """What is in the way; nothing if the server is ready."""
        # Nobody waits for another's look: a stuck one would soon hold every thread that answers.
        if self._looking.acquire(blocking=False):
            try:
                if time.monotonic() >= self._expires:
                    self._look()
            finally:
                self._looking.release()
        elif time.monotonic() - self._at > STUCK_SECONDS:
            return [Obstacle("database", f"has not answered for {STUCK_SECONDS:.0f} seconds")]
        return self._found

    def _look(self) -> None:
        self._at = time.monotonic()
        found = ((part, look()) for part, look in self._looks.items())
        self._found = [Obstacle(part, message) for part, message in found if message]
        self._at = time.monotonic()
        self._expires = self._at + FRESH_SECONDS


def _database(database: Database, floor_bytes: int) -> str | None:
    try:
        database.check_writable()
    except HINDRANCES as error:
        return f"cannot be written: {error.detail.removesuffix('.')}"
    except SQLAlchemyError:
        return "cannot be written"
    return None if database.folder is None else _space(database.folder, floor_bytes)


def _blobs(folder: Path, floor_bytes: int) -> str | None:
    try:
        handle, name = tempfile.mkstemp(suffix=".probe", dir=folder)
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        return f"cannot be written: {error.strerror}"
    return _space(folder, floor_bytes)


def _space(folder: Path, floor_bytes: int) -> str | None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"cannot be measured: {error.strerror}"
    if free >= floor_bytes:
        return None
    return f"has {free // 1024**2:,} MiB of free space, less than {floor_bytes // 1024**2:,} MiB"


def _workers(engine: Engine) -> str | None:
    return None if engine.workers else "none is alive"
