from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError, StatementError

from service.database import Database
from service.tables import datasets, jobs

DATASET = {
    "id": "d1",
    "owner": "ann",
    "name": "iris",
    "digest": "0" * 64,
    "rows": 150,
    "columns": [{"name": "petal", "kind": "number"}],
    "bytes": 4000,
    "warnings": [],
}
JOB = {
    "id": "j1",
    "owner": "ann",
    "dataset_id": DATASET["id"],
    "state": "queued",
    "request": {},
    "spec": {"a": None},
    "inferred": {},
    "warnings": [],
}


def test_times_come_back_aware_and_equal_whatever_their_zone(database: Database) -> None:
    zone = timezone(timedelta(hours=5))
    created = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=zone)
    with database.write() as connection:
        connection.execute(insert(datasets).values(DATASET | {"created": created}))
    with database.read() as connection:
        stored = connection.execute(select(datasets.c.created)).scalar_one()
        text = connection.exec_driver_sql("SELECT created FROM datasets").scalar_one()
    assert stored == created
    assert stored.tzinfo is UTC
    assert text == "2026-03-28 21:30:00.123456"


def test_a_time_without_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="needs its zone"), database.write() as connection:
        connection.execute(insert(datasets).values(DATASET | {"created": datetime(2026, 1, 1)}))


def test_a_new_job_has_done_nothing(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(datasets).values(DATASET))
        connection.execute(insert(jobs).values(JOB))
    with database.read() as connection:
        row = connection.execute(select(jobs)).one()
    assert (row.attempt, row.trials_asked, row.waves_done, row.seconds) == (0, 0, 0, 0.0)
    assert (row.study_id, row.best_value, row.error, row.started) == (None, None, None, None)
    assert row.spec == {"a": None}


def test_a_job_needs_its_dataset(database: Database) -> None:
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), database.write() as connection:
        connection.execute(insert(jobs).values(JOB))
