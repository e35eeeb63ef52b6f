"""The database: one process owns it, one connection writes to it, many read.

SQLite's pitfalls are met here and nowhere else. A transaction that reads before it writes
fails at once when another has committed in between, so every write begins IMMEDIATE. The
driver's own idea of when a transaction begins is switched off, so ours is the only one.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from service import private_files, schema
from service.errors import DatabaseInUse, DatabaseUnusable
from service.failpoints import reach

Synchronous = Literal["normal", "full"]

BUSY_TIMEOUT_SECONDS = 60
# One page of the log is 4 KiB: about 4 MiB between checkpoints, by the writer alone.
CHECKPOINT_PAGES = 1000


class Database(AbstractContextManager["Database"]):
    """An open database that no other process can open.

    Args:
        url: address of a SQLite file; it is created if it does not exist.
        synchronous: whether a power cut may cost the last commits.

    Attributes:
        url: the address, also for Optuna.
        path: the file.
        version: another number after each transaction that wrote, so that whoever waits for
            changes need not ask the file.

    Raises:
        DatabaseInUse: another server has it open.
        DatabaseUnusable: it is not a database, or cannot be written.
        SchemaMismatch: it belongs to another program or another version.
    """

    def __init__(self, url: str, *, synchronous: Synchronous = "normal") -> None:
        self.url = url
        self.path = Path(make_url(url).database or "")
        try:
            private_files.make_folder(self.path.parent)
            self._lock: int | None = _lock(self.path)
        except OSError as error:
            raise DatabaseUnusable(
                f"Cannot write to the folder of the database {self.path}: {error.strerror}."
            ) from None
        self.version, self._versions = 0, count(1)
        self._writer = _engine(url, write=True, synchronous=synchronous)
        self._reader = _engine(url, write=False, synchronous=synchronous)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; committed at the end, undone by an exception.

        There is one writer, so a transaction is short and does nothing but database work.
        """
        with self._writer.begin() as connection:
            yield connection
        # Set by several threads, never to a number that was there before.
        self.version = next(self._versions)

    def check_writable(self) -> None:
        """Begin a transaction that may write, and undo it.

        Raises:
            SQLAlchemyError: the database cannot be written, or others write and do not end.
        """
        with self._writer.connect() as connection:
            # The same value: it touches a page and changes nothing.
            version = connection.execute(text("PRAGMA user_version")).scalar_one()
            connection.execute(text(f"PRAGMA user_version = {int(version)}"))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and cannot change it."""
        with self._reader.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection and let another process have the database; once is enough."""
        if self._lock is None:
            return
        # The writer goes last: the last connection to leave checkpoints the log.
        self._reader.dispose()
        self._writer.dispose()
        os.close(self._lock)
        self._lock = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def _prepare(self) -> None:
        try:
            self._look_before_touching()
            private_files.create(self.path)
            with self.write() as connection:
                schema.upgrade(connection)
                complete = schema.has_optuna_tables(connection)
            if not complete:
                reach("tables_made")
                schema.create_optuna_tables(self.url)
                with self.read() as connection:
                    schema.check(connection)
        except OSError as error:
            raise DatabaseUnusable(f"Cannot write to {self.path}: {error.strerror}.") from None
        except DatabaseError as error:
            raise DatabaseUnusable(f"Cannot use {self.path}: {error.orig}.") from None

    def _look_before_touching(self) -> None:
        """Refuse a file that is not ours while every byte of it is as it was."""
        if not self.path.exists():
            return
        schema.look(self.path)


def _lock(path: Path) -> int:
    """Take the lock beside the database; the system releases it when the process dies."""
    lock_path = path.with_name(f"{path.name}.lock")
    handle = os.open(lock_path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, private_files.FILE_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        raise DatabaseInUse(
            f"Another server (process {owner}) has the database {path} open. "
            "Stop it, or name another file in FALLLINE_DATABASE."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode("ascii"))
    return handle


def _engine(url: str, *, write: bool, synchronous: Synchronous) -> Engine:
    # Readers: one connection for each thread that answers a request, so that none waits.
    pool_size, max_overflow = (1, 0) if write else (8, 40)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=max_overflow,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS},
        # Errors are logged, and values are the users'.
        hide_parameters=True,
    )
    pragmas = (
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        f"busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}",
        "foreign_keys=ON",
        f"query_only={int(not write)}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES if write else 0}",
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
