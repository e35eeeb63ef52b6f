"""The database: one server owns it, one connection writes to it, many read.

SQLite and PostgreSQL look the same from here on; where they differ is in the modules of their
names.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, DBAPIError

from service import schema
from service.errors import (
    HINDRANCES,
    DatabaseAway,
    DatabaseInUse,
    DatabaseUnusable,
    OutOfSpace,
)
from service.failpoints import reach
from service.postgresql import PostgreSQL
from service.sqlite import SQLite, Synchronous


class Backend(Protocol):
    """What differs from one kind of database to another; see `SQLite` and `PostgreSQL`."""

    url: str
    place: str
    writer: Engine
    reader: Engine
    engine_options: dict[str, Any]
    read_only_options: dict[str, Any]

    @property
    def folder(self) -> Path | None:
        """On whose disk it must have room; None where that is not ours to see."""

    def look(self) -> None:
        """Refuse what is not ours, nothing in it changed."""

    def touch(self, connection: Connection) -> None:
        """Write what is there already."""

    def size(self, connection: Connection) -> int:
        """Bytes that it takes."""

    def hindrance(self, error: DBAPIError) -> DatabaseAway | OutOfSpace | None:
        """What an error means that is not of the statement's own making."""

    def close(self) -> None:
        """Close every connection and let another server have it."""


class Database(AbstractContextManager["Database"]):
    """An open database that no other server can open.

    Args:
        url: address of a SQLite file, which is created if it does not exist, or of a PostgreSQL
            database.
        synchronous: whether a power cut may cost the last commits; PostgreSQL's own settings
            say so there.

    Attributes:
        url: the address, also for Optuna; it may hold a password.
        place: where it is, for humans.
        folder: on whose disk it must have room; None for one that is not on this machine's.
        read_only_options: for Optuna's engine, to make one that cannot write.
        version: another number after each transaction that wrote, so that whoever waits for
            changes need not ask the database.

    Raises:
        DatabaseInUse: another server has it open.
        DatabaseUnusable: it is not a database, or cannot be reached or written.
        SchemaMismatch: it belongs to another program or another version.
    """

    def __init__(self, url: str, *, synchronous: Synchronous = "normal") -> None:
        self._backend = _backend(url, synchronous)
        self.url, self.place = url, self._backend.place
        self.folder, self.read_only_options = self._backend.folder, self._backend.read_only_options
        self.version, self._versions = 0, count(1)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; committed at the end, undone by an exception.

        There is one writer, so a transaction is short and does nothing but database work.

        Raises:
            DatabaseAway: the database was lost or is held by others; whether the transaction
                was committed is unknown if it had come to its end.
            OutOfSpace: its disk is full.
        """
        try:
            with self._watched(), self._backend.writer.begin() as connection:
                yield connection
        except HINDRANCES:
            self.version = next(self._versions)  # it may have been committed
            raise
        # Set by several threads, never to a number that was there before.
        self.version = next(self._versions)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and cannot change it.

        Raises:
            DatabaseAway: the database was lost.
        """
        with self._watched(), self._backend.reader.begin() as connection:
            yield connection

    def check_writable(self) -> None:
        """Begin a transaction that may write, and undo it.

        Raises:
            DatabaseAway: the database cannot be reached, or others write and do not end.
            OutOfSpace: its disk is full.
            SQLAlchemyError: it cannot be written.
        """
        with self._watched(), self._backend.writer.connect() as connection:
            self._backend.touch(connection)

    def size(self) -> int:
        """Bytes that it takes, its log with it where that is a file of its own."""
        with self.read() as connection:
            return self._backend.size(connection)

    def close(self) -> None:
        """Close every connection and let another server have the database; once is enough."""
        self._backend.close()

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

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Tell a database that cannot work from all that may be wrong with a statement."""
        try:
            yield
        except DatabaseInUse as error:  # it took the lock while this one had no connection
            raise DatabaseAway("Another server has taken the database over.") from error
        except DBAPIError as error:
            hindrance = self._backend.hindrance(error)
            if hindrance is None:
                raise
            raise hindrance from error

    def _prepare(self) -> None:
        backend = self._backend
        try:
            backend.look()
            with backend.writer.begin() as connection:
                schema.upgrade(connection)
                complete = schema.has_optuna_tables(connection)
            if not complete:
                reach("tables_made")
                schema.create_optuna_tables(self.url, backend.engine_options)
                with backend.reader.begin() as connection:
                    schema.check(connection)
        except OSError as error:
            raise DatabaseUnusable(f"Cannot write to {self.place}: {error.strerror}.") from None
        except DatabaseError as error:
            raise DatabaseUnusable(
                f"Cannot use {self.place}: {schema.first_line(error)}."
            ) from None


def _backend(url: str, synchronous: Synchronous) -> Backend:
    if make_url(url).get_backend_name() == "postgresql":
        return PostgreSQL(url)
    return SQLite(url, synchronous)
