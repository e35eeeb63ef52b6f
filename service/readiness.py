"""Whether a server can take work: its database written, its store written, its workers there."""

import shutil
from dataclasses import dataclass

from sqlalchemy.exc import DatabaseError

from service.database import Database
from service.engine import Engine
from service.store import Store

FREE_BYTES = 100 * 1024**2
"""What a disk must have left: a write-ahead log and a dataset or two."""


@dataclass(frozen=True)
class Readiness:
    """What a server works with.

    Attributes:
        database: with the jobs and trials.
        store: of the datasets.
        engine: that trains.
    """

    database: Database
    store: Store
    engine: Engine

    def missing(self) -> dict[str, str]:
        """What is not as it should be, in words, by part; nothing where the server is ready."""
        found: dict[str, str] = {}
        try:
            with self.database.write():  # takes the one lock that every change needs
                pass
        except DatabaseError as error:
            found["database"] = f"cannot be written: {error.orig}"
        try:
            with self.store.draft() as draft:
                draft.write_bytes(b"?")
        except OSError as error:
            found["store"] = f"cannot be written: {error.strerror}"
        free = shutil.disk_usage(self.database.path.parent).free
        if free < FREE_BYTES:
            found["disk"] = f"{free:,} bytes are free; {FREE_BYTES:,} are needed"
        alive = self.engine.alive
        if alive < self.engine.slots:
            found["workers"] = f"{alive} of {self.engine.slots} are there"
        return found
