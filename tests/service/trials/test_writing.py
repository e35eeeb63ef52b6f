"""A wave lands whole or not at all."""

from typing import Any

import pytest
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event

from service import trials
from tests.service.trials.conftest import Database
from tests.service.trials.waves import NAN, PARAMS, done, every_kind, trial, write


def test_finishing_replaces_reports_and_merges_attributes(database: Database) -> None:
    study_id = database.study()
    early = trial(
        0, user_attrs={"kept": 1, "changed": 1}, intermediate_values={0: 0.5, 1: 0.25, 2: NAN}
    )
    late = trial(
        0,
        TrialState.COMPLETE,
        value=1.0,
        user_attrs={"changed": 2, "new": 3},
        intermediate_values={1: 0.125, 3: 0.0},
    )
    with database.begin() as connection:
        trials.insert_running(connection, study_id, [early])
        trials.finish(connection, study_id, [late])
    (seen,) = database.seen()
    assert seen.user_attrs == {"kept": 1, "changed": 2, "new": 3}
    assert seen.intermediate_values == {1: 0.125, 3: 0.0}


@pytest.mark.parametrize(
    ("wave", "message"),
    [
        ([done(0), done(3)], r"\[3\] are not running"),
        ([done(0), done(2)], r"\[2\] are not running"),
        ([done(0), done(0)], "doubled in"),
        ([done(0), trial(1)], "Trial 1 must be COMPLETE, PRUNED, FAIL. Got RUNNING"),
        ([done(0), trial(1, TrialState.COMPLETE)], "Trial 1 cannot be stored"),
        ([done(0), trial(1, TrialState.FAIL, value=1.0)], "Trial 1 cannot be stored"),
        ([done(0), trial(1, TrialState.PRUNED, value=NAN)], r"Trial 1 .*Got \[nan\]"),
        (
            [done(0), trial(1, TrialState.COMPLETE, values=[1.0, 2.0])],
            r"one value.*Got \[1.0, 2.0\]",
        ),
        ([done(0, datetime_complete=None)], "Trial 0 needs the time it ended"),
        ([done(0, user_attrs={"k" * 513: 1})], "at most 512 characters. Got 513"),
    ],
)
def test_a_wave_with_one_bad_trial_is_refused_before_the_first_row(
    database: Database, wave: list[FrozenTrial], message: str
) -> None:
    study_id = database.study()
    write(database, study_id, [trial(0), trial(1), done(2)])
    before = database.dump()
    # Even a caller that swallows the error and commits has written nothing.
    with database.begin() as connection, pytest.raises(ValueError, match=message):
        trials.finish(connection, study_id, wave)
    assert database.dump() == before


@pytest.mark.parametrize(
    ("wave", "message"),
    [
        ([trial(2), trial(4)], r"numbered from 2. Got \[2, 4\]"),
        ([trial(1), trial(2)], r"numbered from 2. Got \[1, 2\]"),
        ([trial(2), trial(2)], "numbered from 2"),
        ([done(2)], "Trial 2 must be RUNNING. Got COMPLETE"),
        ([trial(2, datetime_start=None)], "Trial 2 needs the time it started"),
        ([trial(2, params={"lr": 0.1})], "Trial 2 cannot be stored: Inconsistent parameters"),
        ([trial(2, params=PARAMS | {"lr": 2.0})], "Trial 2 cannot be stored: The value 2.0"),
        ([trial(2, params=PARAMS | {"optimizer": "lion"})], "Trial 2 cannot be stored: 'lion'"),
        (
            [trial(2, params={"p" * 513: 1}, distributions={"p" * 513: IntDistribution(1, 2)})],
            "trial_params.param_name holds at most 512 characters. Got 513",
        ),
    ],
)
def test_a_wave_that_cannot_be_asked_is_refused_before_the_first_row(
    database: Database, wave: list[FrozenTrial], message: str
) -> None:
    study_id = database.study()
    write(database, study_id, [trial(0), done(1)])
    before = database.dump()
    with database.begin() as connection, pytest.raises(ValueError, match=message):
        trials.insert_running(connection, study_id, wave)
    assert database.dump() == before


@pytest.mark.parametrize("table", ["trial_values", "trial_intermediate_values", "trials"])
def test_a_wave_that_breaks_half_way_leaves_no_trace(database: Database, table: str) -> None:
    study_id = database.study()
    write(database, study_id, [trial(0), trial(1)])
    before = database.dump()

    def disk_full(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith((f"INSERT INTO {table} ", f"UPDATE {table} ")):
            raise OSError(f"disk full in {table}")

    event.listen(database.engine, "before_cursor_execute", disk_full)
    wave = [done(i, intermediate_values={0: 1.0}) for i in (0, 1)]
    with pytest.raises(OSError, match=table), database.begin() as connection:
        trials.finish(connection, study_id, wave)
    event.remove(database.engine, "before_cursor_execute", disk_full)
    assert database.dump() == before
    with database.begin() as connection:
        trials.finish(connection, study_id, wave)
    assert [each.state for each in database.seen()] == [TrialState.COMPLETE] * 2


def test_empty_waves_write_nothing(database: Database) -> None:
    study_id = database.study()
    before = database.dump()
    with database.begin() as connection:
        trials.insert_running(connection, study_id, [])
        trials.finish(connection, study_id, [])
        assert trials.read(connection, study_id) == []
        assert trials.running(connection, study_id) == []
        assert trials.page(connection, study_id, limit=5) == ([], None)
    assert database.dump() == before


def test_studies_are_created_once_and_deleted_whole(database: Database) -> None:
    kept = database.study("kept")
    write(database, kept, every_kind())
    before = database.dump()
    with database.begin() as connection:
        gone = trials.create_study(connection, "gone", False, {"job": 1})
    write(database, gone, every_kind())
    with database.begin() as connection:
        with pytest.raises(ValueError, match="'gone' exists already"):
            trials.create_study(connection, "gone", True, {})
        with pytest.raises(ValueError, match=r"study_name holds at most 512 characters. Got 600"):
            trials.create_study(connection, "n" * 600, True, {})
        trials.delete_study(connection, gone)
        with pytest.raises(LookupError, match=f"no study {gone}"):
            trials.delete_study(connection, gone)
    assert database.dump() == before
