from datetime import datetime
from pathlib import Path

import optuna
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, Table, create_engine, insert, select

from service.database import Database
from service.errors import SchemaMismatch
from service.schema import OPTUNA_REVISION, VERSION_TABLE, is_ours, upgrade
from service.sqlite_driver import driver
from service.tables import jobs, metadata
from tests.service.databases import file_of, optunas_own
from tests.service.test_tables import DATASET, JOB


def execute(path: Path, statement: str) -> None:
    connection = driver.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.both_databases
def test_the_migrations_make_the_tables_that_the_code_describes(database: Database) -> None:
    options = {
        "version_table": VERSION_TABLE,
        "include_name": is_ours,
        "compare_server_default": True,
    }
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_our_tables_and_optunas_have_no_name_in_common(database: Database, tmp_path: Path) -> None:
    alone = tmp_path / "optuna.db"
    with optunas_own(f"sqlite:///{alone}"):
        pass
    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'index')"
    theirs = {row[0] for row in driver.connect(alone).execute(query)}
    both = {row[0] for row in driver.connect(file_of(database)).execute(query)}
    assert theirs <= both
    assert not theirs & (metadata.tables.keys() | {VERSION_TABLE})


@pytest.mark.both_databases
def test_optuna_works_in_the_same_file_and_after_a_restart(database: Database) -> None:
    with optunas_own(database.url) as storage:
        study = optuna.create_study(storage=storage, study_name="beside")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    database.close()
    with Database(database.url) as again, optunas_own(again.url) as storage:
        assert len(optuna.load_study(storage=storage, study_name="beside").trials) == 2


def test_half_made_optuna_tables_are_completed(database: Database) -> None:
    database.close()
    for table in ("alembic_version", "version_info", "trial_heartbeats"):
        execute(file_of(database), f"DROP TABLE {table}")
    with Database(database.url), driver.connect(file_of(database)) as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        assert found == (OPTUNA_REVISION,)


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (f"UPDATE {VERSION_TABLE} SET version_num = '9999'", "a newer Fallline .*'9999'"),
        ("UPDATE alembic_version SET version_num = 'v9.0.0.a'", "Optuna's schema 'v9.0.0.a'"),
        (f"DROP TABLE {VERSION_TABLE}", "another program .*alembic_version, audit, datasets"),
    ],
)
def test_a_schema_of_another_version_is_refused_untouched(
    database: Database, statement: str, text: str
) -> None:
    database.close()
    execute(file_of(database), statement)
    before = file_of(database).read_bytes()
    with pytest.raises(SchemaMismatch, match=text):
        Database(database.url)
    assert file_of(database).read_bytes() == before


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    execute(path, "CREATE TABLE customers (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(SchemaMismatch, match=r"belongs to another program .*customers"):
        Database(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_jobs_from_before_transfer_take_nothing(tmp_path: Path) -> None:
    """Some of them are half done: what they have asked for must stay what a new start asks."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        upgrade(connection, "0003")
        for name, row in (("datasets", DATASET), ("jobs", JOB)):
            as_it_was = Table(name, MetaData(), autoload_with=connection)
            connection.execute(insert(as_it_was).values(row | {"created": datetime(2026, 1, 1)}))
    engine.dispose()
    with Database(url) as database, database.read() as connection:
        assert connection.execute(select(jobs.c.transferred)).scalar_one() == []
