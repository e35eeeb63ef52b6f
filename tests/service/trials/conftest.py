"""Databases with Optuna's schema: SQLite and PostgreSQL, the same tests on both."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, Engine, create_engine, event

from service import trials
from tests.service.databases import Server


class Database:
    """A fresh database with Optuna's schema, seen by Optuna and by an engine like the server's."""

    def __init__(self, url: str) -> None:
        self.optuna = optuna.storages.RDBStorage(url)
        self.engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            _begin_explicitly(self.engine)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            yield connection

    def study(self, name: str = "study", *, maximize: bool = False) -> int:
        with self.begin() as connection:
            return trials.create_study(connection, name, maximize, {})

    def seen(self, name: str = "study") -> list[FrozenTrial]:
        return optuna.load_study(study_name=name, storage=self.optuna).trials

    def dump(self) -> dict[str, list[str]]:
        """Every row of every table as the driver gives it, ids replaced by what they stand for."""
        with self.engine.connect() as connection:
            names = sorted(sqlalchemy.inspect(connection).get_table_names())
            rows = {
                name: connection.exec_driver_sql(f"SELECT * FROM {name}").mappings().all()
                for name in names
            }
        numbers = {row["trial_id"]: row["number"] for row in rows["trials"]}
        studies = {row["study_id"]: row["study_name"] for row in rows["studies"]}
        content: dict[str, list[str]] = {}
        for name in names:
            shown = []
            for row in rows[name]:
                columns = dict(row)
                columns.pop(next(iter(columns)))  # the table's own id comes first
                if "trial_id" in columns:
                    columns["trial_id"] = numbers[columns["trial_id"]]
                if "study_id" in columns:
                    columns["study_id"] = studies[columns["study_id"]]
                shown.append(repr(columns))
            content[name] = sorted(shown)
        return content

    def close(self) -> None:
        self.engine.dispose()
        self.optuna.remove_session()
        self.optuna.engine.dispose()


def _begin_explicitly(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@pytest.fixture(scope="session")
def urls(postgresql: Server) -> list[str]:
    """Of two empty databases."""
    return [postgresql.new(), postgresql.new()]


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))]
)
def new_database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], Database]]:
    made: list[Database] = []

    def new() -> Database:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / f'{len(made)}.db'}"
        else:
            url = request.getfixturevalue("urls")[len(made)]
        made.append(Database(url))
        return made[-1]

    yield new
    for database in made:
        if request.param == "postgresql":
            with database.begin() as connection:
                connection.exec_driver_sql("TRUNCATE studies CASCADE")
        database.close()


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Database:
    return new_database()


@pytest.fixture(params=["UTC0", "IST-5:30"])
def time_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    if before is None:
        monkeypatch.delenv("TZ")
    else:
        monkeypatch.setenv("TZ", before)
    time.tzset()
