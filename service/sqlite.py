"""SQLite's side of the database: its pitfalls are met here and nowhere else.

A transaction that reads before it writes fails at once when another has committed in between, so
every write begins IMMEDIATE. The driver's own idea of when a transaction begins is switched off,
so ours is the only one.
"""

import fcntl
import os
import sqlite3  # for its types, which the other driver shares
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from service import private_files, schema
from service.errors import DatabaseAway, DatabaseInUse, DatabaseUnusable, OutOfSpace
from service.sqlite_driver import driver

Synchronous = Literal["normal", "full"]

BUSY_TIMEOUT_SECONDS = 60
PRIMARY = 0xFF  # the part of an error's code that says of which kind it is
HELD = "The database is busy. Nothing was changed; try again."
BROKEN = "The disk of the database does not work. Nothing was changed; try again later."
AWAY = {
    driver.SQLITE_BUSY: HELD,
    driver.SQLITE_LOCKED: HELD,
    driver.SQLITE_IOERR: BROKEN,
    driver.SQLITE_CANTOPEN: BROKEN,
}
# One page of the log is 4 KiB: about 4 MiB between checkpoints, by the writer alone.
CHECKPOINT_PAGES = 1000
# A long read keeps the log from being written over; it is cut back to this when nobody reads.
LOG_BYTES = 64 * 1024**2


class SQLite:
    """A file that this process alone has open as a server.

    Args:
        url: its address; it is created if it does not exist.
        synchronous: whether a power cut may cost the last commits.

    Attributes:
        url: its address, also for Optuna.
        place: its path.
        folder: it is in.
        writer: one connection, whose transactions write.
        reader: connections that cannot write.
        engine_options: for Optuna's engine.
        read_only_options: for one that cannot write.

    Raises:
        DatabaseInUse: another server has it open.
        DatabaseUnusable: its folder cannot be written.
    """

    def __init__(self, url: str, synchronous: Synchronous) -> None:
        self.url = url
        self._path = Path(make_url(url).database or "")
        self.place, self.folder = str(self._path), self._path.parent
        try:
            private_files.make_folder(self.folder)
            self._lock: int | None = _lock(self._path)
        except OSError as error:
            raise DatabaseUnusable(
                f"Cannot write to the folder of the database {self.place}: {error.strerror}."
            ) from None
        self.writer = _engine(url, write=True, synchronous=synchronous)
        self.reader = _engine(url, write=False, synchronous=synchronous)
        self.engine_options: dict[str, Any] = {"module": driver}
        self.read_only_options = self.engine_options | {"creator": self._connect_to_read}

    def look(self) -> None:
        """Refuse a file that is not ours while every byte of it is as it was; make one if there is none.

        One whose log is still there was not closed, and is looked through.
        """
        if self._path.exists():
            if _log(self._path).exists() and (fault := find_fault(self._path)):
                raise DatabaseUnusable(
                    f"The database {self._path} is broken ({fault}). "
                    "Move it away and restore a backup: `fallline restore`."
                )
            look(self._path)
        private_files.create(self._path)

    def touch(self, connection: Connection) -> None:
        """Write what is there already: the same version touches a page and changes nothing."""
        version = connection.execute(text("PRAGMA user_version")).scalar_one()
        connection.execute(text(f"PRAGMA user_version = {int(version)}"))

    def size(self, connection: Connection) -> int:
        """Bytes that it and its log take."""
        return sum(each.stat().st_size for each in self.folder.glob(f"{self._path.name}*"))

    def hindrance(self, error: DBAPIError) -> DatabaseAway | OutOfSpace | None:
        """What an error means that is not of the statement's own making."""
        code = getattr(error.orig, "sqlite_errorcode", 0) & PRIMARY
        if code == driver.SQLITE_FULL:
            return OutOfSpace("The disk of the server is full. Nothing was changed.")
        return DatabaseAway(AWAY[code]) if code in AWAY else None

    def close(self) -> None:
        """Close every connection and let another process have it; once is enough."""
        if self._lock is None:
            return
        # The writer goes last: the last connection to leave checkpoints the log.
        self.reader.dispose()
        self.writer.dispose()
        os.close(self._lock)
        self._lock = None

    def _connect_to_read(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = driver.connect(
            self._path, timeout=BUSY_TIMEOUT_SECONDS, check_same_thread=False
        )
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        return connection


def only_reading(path: Path) -> sqlite3.Connection:
    """A connection to a database that leaves every byte beside it as it is, too."""
    # Without a log nobody has it open, and SQLite need not make files to share it.
    alone = not _log(path).exists()
    mode = "mode=ro&immutable=1" if alone else "mode=ro"
    found: sqlite3.Connection = driver.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)
    return found


def find_fault(path: Path) -> str | None:
    """What is wrong with the structure of a file, if anything; no byte of it is changed."""
    try:
        with closing(only_reading(path)) as connection:
            ((found,),) = connection.execute("PRAGMA quick_check(1)")
    except driver.Error as error:
        return str(error)
    return None if found == "ok" else str(found).splitlines()[-1]


def look(path: Path) -> None:
    """`schema.check` a file without changing a byte of it.

    Raises:
        SchemaMismatch: as `schema.check`.
    """
    engine = create_engine(
        "sqlite://", module=driver, creator=lambda: only_reading(path), poolclass=NullPool
    )
    with engine.connect() as connection:
        schema.check(connection)


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


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
        module=driver,
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
        f"journal_size_limit={LOG_BYTES}",
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
