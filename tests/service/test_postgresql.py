"""What is PostgreSQL's alone; what is the same on both databases is in the tests of each part."""

import threading
from collections.abc import Iterator
from pathlib import Path

import optuna
import psycopg
import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.engine import make_url

from service import claims
from service.backup import back_up, restore
from service.database import Database
from service.doctor import examine
from service.errors import (
    BackupError,
    DatabaseAway,
    DatabaseInUse,
    DatabaseUnusable,
    SchemaMismatch,
    SettingsError,
)
from service.postgresql import LOCK, place
from service.schema import VERSION_TABLE
from service.settings import Settings, load
from service.tables import datasets
from tests.service.conftest import Live, live_server
from tests.service.databases import Server, optunas_own
from tests.service.journeys import until
from tests.service.test_problems import problem
from tests.service.test_runner import add_dataset, in_state, outcome, queue, row, stored
from tests.service.test_tables import DATASET

SECRET = "s3cret-p4ssword"
ELSEWHERE = f"postgresql+psycopg://ann:{SECRET}@127.0.0.1:1/fallline"


@pytest.fixture
def url(postgresql: Server, template: str) -> str:
    """The address of a database of our own that nobody has open."""
    return postgresql.new(template)


def execute(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_second_server_is_refused_until_the_first_has_ended(url: str) -> None:
    with Database(url) as first:
        with pytest.raises(DatabaseInUse, match=r"^Another server has the database made"):
            Database(url)
        with first.write() as connection:
            connection.execute(insert(datasets).values(DATASET))
    with Database(url) as second, second.read() as connection:
        assert connection.execute(select(datasets.c.name)).scalar_one() == "iris"


def test_connections_that_were_ended_are_replaced_unseen(url: str, postgresql: Server) -> None:
    with Database(url) as database:
        with database.read(), database.write():
            pass
        name = make_url(url).database
        postgresql.sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}';"
        )
        with database.read(), database.write():
            pass
        with pytest.raises(DatabaseInUse):
            Database(url)


def test_a_server_that_lost_the_lock_to_another_writes_nothing(
    url: str, postgresql: Server
) -> None:
    with Database(url) as database:
        before = database.version
        lost = pytest.raises(DatabaseAway, match="cannot be reached")
        with lost, database.write() as connection:
            connection.execute(insert(datasets).values(DATASET))
            postgresql.stop()
            connection.execute(select(datasets))
        assert database.version != before
        postgresql.start()
        parts = make_url(url)
        host = str(parts.query["host"])
        with psycopg.connect(
            host=host, user=parts.username, dbname=parts.database, autocommit=True
        ) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            for _ in range(2):
                with pytest.raises(DatabaseAway, match="taken"), database.write():
                    pass
            with database.read() as connection:
                assert connection.execute(select(datasets)).all() == []
        with database.write() as connection:
            connection.execute(insert(datasets).values(DATASET))


def test_whoever_does_not_answer_is_named_without_the_password() -> None:
    with pytest.raises(DatabaseUnusable) as refused:
        Database(ELSEWHERE)
    shown = str(refused.value)
    assert shown.startswith("Cannot use fallline on 127.0.0.1:1: connection ")
    assert "refused" in shown
    assert SECRET not in shown
    assert "\n" not in shown


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (f"UPDATE {VERSION_TABLE} SET version_num = '9999'", "a newer Fallline .*'9999'"),
        ("UPDATE alembic_version SET version_num = 'v9.0.0.a'", "Optuna's schema 'v9.0.0.a'"),
        (f"DROP TABLE {VERSION_TABLE}", "another program .*alembic_version, audit, datasets"),
    ],
)
def test_a_schema_of_another_version_is_refused(url: str, statement: str, text: str) -> None:
    execute(url, statement)
    with pytest.raises(SchemaMismatch, match=text):
        Database(url)


def test_the_password_is_shown_nowhere(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database=ELSEWHERE)
    assert SECRET not in repr(settings)
    assert SECRET not in place(make_url(ELSEWHERE))
    assert settings.database_path is None
    for wrong in (ELSEWHERE.replace("+psycopg", ""), ELSEWHERE.removesuffix("/fallline")):
        with pytest.raises(SettingsError, match="must be a SQLite file") as refused:
            load(home=tmp_path, database=wrong)
        assert SECRET not in str(refused.value)
    with pytest.raises(SettingsError, match="must have its password before the @"):
        load(home=tmp_path, database=f"postgresql+psycopg://host/f?password={SECRET}")


def test_a_backup_is_left_to_postgresqls_own_tools(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database=ELSEWHERE)
    for action in (back_up, restore):
        with pytest.raises(BackupError, match="pg_dump and pg_restore"):
            action(settings, tmp_path / "backup.zip")


def test_the_doctor_looks_at_it(tmp_path: Path, url: str) -> None:
    def found(url: str) -> tuple[str, str]:
        checks = {each.about: each for each in examine(Settings(home=tmp_path, database=url))}
        assert not {"SQLite", "file system"} & checks.keys()
        return checks["database"].state, checks["database"].found

    with Database(url):  # as a server that is running
        state, shown = found(url)
    assert state == "ok"
    assert ", PostgreSQL " in shown
    assert shown.endswith(" bytes")
    execute(url, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    state, shown = found(url)
    assert state == "failed"
    assert "newer Fallline" in shown
    assert found(ELSEWHERE)[0] == "failed"


@pytest.fixture
def live(tmp_path: Path, url: str) -> Iterator[Live]:
    with live_server(tmp_path / "home", database=url) as running:
        yield running


@pytest.mark.timeout(300)
def test_a_study_goes_on_when_the_database_is_back_and_ends_as_one_undisturbed(
    live: Live, postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = live.services
    budget = {"trials": 60, "epochs": 10}
    dataset = add_dataset(services)
    unbroken = in_state(services, queue(services, dataset, budget=budget), "completed")
    expected = outcome(stored(services, unbroken.id))

    told = threading.Event()
    away = threading.Event()
    record_told = claims.record_told

    def lose_the_third(*wave: object) -> None:
        record_told(*wave)  # type: ignore[arg-type]
        if row(services, wave[1].id).waves_done == 2:  # type: ignore[attr-defined]
            told.set()
            away.wait()  # and so it is not committed, or nobody knows

    monkeypatch.setattr(claims, "record_told", lose_the_third)
    broken = queue(services, dataset, budget=budget)
    assert told.wait(60)
    postgresql.stop()
    monkeypatch.undo()
    away.set()

    answer = live.client.get(f"/v1/jobs/{broken}")
    assert problem(answer)["status"] == 503
    assert answer.headers["retry-after"] == "1"
    refusal = until(lambda: _when_unready(live))
    assert refusal["detail"].startswith("Not ready. database: cannot be written: ")
    postgresql.start()

    job = in_state(services, broken, "completed")
    assert job.attempt == 2
    assert (job.error, job.trials_asked, job.waves_done) == (None, 60, unbroken.waves_done)
    assert (job.best_value, job.best_trial) == (unbroken.best_value, unbroken.best_trial)
    assert outcome(stored(services, broken)) == expected
    until(lambda: live.anonymous.get("/readyz").status_code == 200)


def _when_unready(live: Live) -> dict[str, str] | None:
    answer = live.anonymous.get("/readyz")
    return problem(answer) if answer.status_code == 503 else None


def test_the_dashboard_reads_and_cannot_write(live: Live) -> None:
    with optunas_own(live.services.database.url) as storage:
        study = optuna.create_study(storage=storage, study_name="beside")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    answer = live.client.get("/api/studies")
    assert [each["study_name"] for each in answer.json()["study_summaries"]] == ["beside"]
    assert live.client.get("/api/studies/1").status_code == 200
    shown = live.services.dashboard._storage
    with pytest.raises(StorageInternalError) as refused:
        shown.delete_study(1)
    assert "read-only transaction" in str(refused.value.__cause__)


def test_the_metrics_tell_its_size(live: Live) -> None:
    (line,) = (
        each for each in live.client.get("/metrics").text.splitlines()
        if each.startswith("fallline_database_bytes ")
    )  # fmt: skip
    assert float(line.split()[1]) > 1e6
