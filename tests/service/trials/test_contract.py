"""What is written in bulk is what Optuna would have written, on every database."""

from collections.abc import Callable
from datetime import UTC, datetime

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState

from service import trials
from tests.service.trials.conftest import Database
from tests.service.trials.waves import every_kind, fields, trial, write


@pytest.mark.usefixtures("time_zone")
def test_bulk_rows_are_what_optuna_writes(new_database: Callable[[], Database]) -> None:
    theirs, ours = new_database(), new_database()
    study = optuna.create_study(
        study_name="study", direction="maximize", storage=theirs.optuna, load_if_exists=False
    )
    study.set_user_attr("job", {"id": 7})
    for each in every_kind():
        study.add_trial(each)

    with ours.begin() as connection:
        study_id = trials.create_study(connection, "study", True, {"job": {"id": 7}})
    wanted = every_kind()
    for wave in (wanted[:3], wanted[3:8], wanted[8:]):
        write(ours, study_id, wave)

    assert ours.dump() == theirs.dump()
    read_by_optuna = [fields(each) for each in ours.seen()]
    assert read_by_optuna == [fields(each) for each in theirs.seen()]
    assert read_by_optuna == [fields(each) for each in wanted]
    with ours.begin() as connection:
        everything = trials.read(connection, study_id, intermediate=True)
        bare = trials.read(connection, study_id)
        some = trials.read(connection, study_id, numbers=[7, 2, 99])
        under_way = trials.running(connection, study_id)
    assert [fields(each) for each in everything] == read_by_optuna
    assert [each._trial_id for each in everything] == [each._trial_id for each in ours.seen()]
    assert [fields(each) for each in bare] == [fields(e, intermediate=False) for e in wanted]
    assert not any(each.intermediate_values for each in bare)
    assert [each.number for each in some] == [2, 7]
    assert [fields(each) for each in under_way] == [fields(each) for each in wanted[8:]]
    loaded = optuna.load_study(study_name="study", storage=ours.optuna)
    assert loaded.direction is StudyDirection.MAXIMIZE
    assert loaded.user_attrs == {"job": {"id": 7}}


def test_aware_times_are_stored_as_the_same_moment(database: Database) -> None:
    study_id = database.study()
    moment = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    with database.begin() as connection:
        trials.insert_running(connection, study_id, [trial(0, datetime_start=moment)])
    (seen,) = database.seen()
    assert seen.datetime_start is not None
    assert seen.datetime_start.astimezone(UTC) == moment


def test_cached_storage_sees_every_new_wave(database: Database) -> None:
    study_id = database.study()
    cached = optuna.load_study(
        study_name="study", storage=optuna.storages.get_storage(database.optuna)
    )
    assert cached.trials == []
    for first in (0, 3, 6):
        running = [trial(first + i) for i in range(3)]
        with database.begin() as connection:
            # Out of order on purpose: ids must ascend with numbers all the same.
            trials.insert_running(connection, study_id, running[::-1])
        assert [each.number for each in cached.trials] == list(range(first + 3))
        assert {each.state for each in cached.trials[first:]} == {TrialState.RUNNING}
        # The last trial finishes first: the others have lower ids than the last finished one.
        for number in (first + 2, first, first + 1):
            with database.begin() as connection:
                trials.finish(
                    connection, study_id, [trial(number, TrialState.COMPLETE, value=number)]
                )
            assert cached.trials[number].value == number
    assert cached.trials == database.seen()
