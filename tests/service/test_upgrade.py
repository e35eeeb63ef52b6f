"""Databases of earlier versions, with a study under way."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine, insert, select, text

from service.cli import app
from service.database import Database
from service.errors import BackupError, DatabaseInUse, SchemaMismatch
from service.schema import OPTUNA_REVISION, create_optuna_tables
from service.schema import upgrade as migrate
from service.settings import Settings
from service.sqlite_driver import driver
from service.upgrade import upgrade
from tests.service.databases import Server
from tests.service.journeys import until
from tests.service.test_runner import add_dataset, in_state, opened, outcome, queue, row, stored

FIRST = "0001"
BEFORE = "v3.0.0.d"
pytestmark = [pytest.mark.xdist_group("runner"), pytest.mark.timeout(300)]


def as_the_first_version_wrote_it(database: Path) -> None:
    """Put a database in the place of one, with what of it the first schema has room for."""
    now, then = (
        create_engine(f"sqlite:///{path}", module=driver) for path in (database, f"{database}.old")
    )
    with then.begin() as connection:
        migrate(connection, FIRST)
    create_optuna_tables(str(then.url), {"module": driver})
    there, here = MetaData(), MetaData()
    there.reflect(then)
    here.reflect(now)
    with now.begin() as source, then.begin() as target:
        for table in there.sorted_tables:
            if "version" in table.name:
                continue
            columns = [here.tables[table.name].c[each.name] for each in table.columns]
            rows = [dict(each) for each in source.execute(select(*columns)).mappings()]
            if rows:
                target.execute(insert(table), rows)
    now.dispose()
    then.dispose()
    Path(f"{database}.old").replace(database)


def test_a_study_under_way_in_the_first_schema_goes_on_and_ends_as_undisturbed(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    budget = {"trials": 60, "epochs": 20}
    with opened(home) as services:
        dataset = add_dataset(services)
        undisturbed = in_state(services, queue(services, dataset, budget=budget), "completed")
        expected = outcome(stored(services, undisturbed.id))
        job = queue(services, dataset, budget=budget)
        until(lambda: row(services, job).waves_done >= 1)
    as_the_first_version_wrote_it(home / "fallline.db")
    with opened(home) as services:
        ended = in_state(services, job, "completed", "failed")
        assert (ended.state, ended.error) == ("completed", None)
        assert ended.attempt > 1
        assert outcome(stored(services, job)) == expected
        assert (ended.best_value, ended.best_trial) == (
            undisturbed.best_value,
            undisturbed.best_trial,
        )
        assert ended.waves_done == undisturbed.waves_done


def make_older(url: str, revision: str = BEFORE) -> None:
    """As an earlier Optuna left it."""
    options: dict[str, Any] = {"module": driver} if url.startswith("sqlite") else {}
    engine = create_engine(url, **options)
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX IF EXISTS ix_trials_study_id"))
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))
    engine.dispose()


def test_trials_of_an_earlier_optuna_are_upgraded_after_a_copy(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with Database(settings.database_url) as running:
        with pytest.raises(DatabaseInUse):
            upgrade(settings, saved=False)
        assert running.version == 0
    assert upgrade(settings, saved=False) == (OPTUNA_REVISION, OPTUNA_REVISION, None)
    make_older(settings.database_url)
    with pytest.raises(SchemaMismatch, match=rf"'{BEFORE}'.*`fallline upgrade` makes a copy"):
        Database(settings.database_url)

    old, new, copy = upgrade(settings, saved=False)
    assert (old, new) == (BEFORE, OPTUNA_REVISION)
    assert copy == tmp_path / f"fallline.db.{BEFORE}"
    with Database(settings.database_url) as database, database.read() as connection:
        found = connection.exec_driver_sql("PRAGMA index_list(trials)").all()
        assert "trials_study_id_key" in [each[1] for each in found]
    with pytest.raises(SchemaMismatch, match=BEFORE):  # the copy is the database as it was
        Database(f"sqlite:///{copy}")
    make_older(settings.database_url)
    with pytest.raises(BackupError, match="never replaces another"):
        upgrade(settings, saved=False)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE alembic_version SET version_num = 'v9.0.0.a'", "Upgrade Fallline"),
        ("DELETE FROM alembic_version", "no trials of Optuna's"),
    ],
)
def test_what_cannot_be_upgraded_is_left_as_it_is(
    tmp_path: Path, statement: str, message: str
) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(BackupError, match="no database"):
        upgrade(settings, saved=False)
    with Database(settings.database_url):
        pass
    with driver.connect(tmp_path / "fallline.db") as connection:
        connection.execute(statement)
    connection.close()
    before = (tmp_path / "fallline.db").read_bytes()
    with pytest.raises(SchemaMismatch, match=message):
        upgrade(settings, saved=False)
    assert (tmp_path / "fallline.db").read_bytes() == before


def test_postgresql_is_upgraded_once_it_was_saved(
    postgresql: Server, template: str, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, database=postgresql.new(template))
    make_older(settings.database_url)
    with pytest.raises(BackupError, match="pg_dump"):
        upgrade(settings, saved=False)
    assert upgrade(settings, saved=True) == (BEFORE, OPTUNA_REVISION, None)
    with Database(settings.database_url):
        pass


def test_the_command_says_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FALLLINE_HOME", str(tmp_path))
    with Database(Settings(home=tmp_path).database_url):
        pass
    app(["upgrade"], standalone_mode=False)
    assert "already" in capsys.readouterr().out
    make_older(f"sqlite:///{tmp_path}/fallline.db")
    app(["upgrade"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert f"had Optuna's schema {BEFORE} and have {OPTUNA_REVISION} now" in shown
    assert f"fallline.db.{BEFORE}" in shown
