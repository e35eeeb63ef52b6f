"""All trials at a glance agree with the trials themselves."""

from datetime import timedelta

import pytest
from optuna.trial import TrialState

from service import trials
from service.trials import Outline
from tests.service.trials.conftest import Database
from tests.service.trials.waves import INF, NAN, START, trial, write


@pytest.mark.usefixtures("time_zone")
def test_every_trial_is_outlined_as_it_ended(database: Database) -> None:
    study_id = database.study()
    write(database, database.study("other"), [trial(0, TrialState.COMPLETE, value=1.0)])
    reached = {"outcome": "dropped", "metrics": {"loss": 0.5, "accuracy": 0.9}}
    wave = [
        trial(0, TrialState.COMPLETE, value=0.25, user_attrs={"outcome": "completed"}),
        trial(1, TrialState.COMPLETE, value=INF, user_attrs={"outcome": "completed"}),
        trial(2, TrialState.PRUNED, user_attrs=reached),
        trial(3, TrialState.PRUNED, user_attrs={"outcome": "diverged", "metrics": {"loss": NAN}}),
        trial(4, TrialState.FAIL),
        trial(5),
    ]
    write(database, study_id, wave)
    empty = database.study("empty")
    with database.begin() as connection:
        found = trials.outlines(connection, study_id, "loss")
        assert trials.outlines(connection, empty, "loss") == []
    assert [(each.outcome, each.value) for each in found] == [
        ("completed", 0.25), ("completed", None), ("dropped", 0.5), ("diverged", None),
        ("stopped", None), ("running", None),
    ]  # fmt: skip
    assert [each.number for each in found] == list(range(6))
    assert {each.optimizer for each in found} == {"adam"}
    ends = [(START + timedelta(seconds=2 * number)).astimezone() for number in range(5)]
    assert [each.ended for each in found] == [*ends, None]
    assert isinstance(found[0], Outline)


def test_curves_are_those_of_the_trials_that_were_asked_for(database: Database) -> None:
    study_id = database.study()
    curve = {1: 0.5, 2: NAN, 3: INF, 10: 0.25}
    wave = [
        trial(number, TrialState.COMPLETE, value=0.25, intermediate_values=curve)
        for number in range(3)
    ]
    write(database, study_id, [*wave, trial(3, TrialState.PRUNED)])
    with database.begin() as connection:
        found = trials.curves(connection, study_id, {0, 2, 3})
        assert trials.curves(connection, study_id, set()) == {}
    assert found == {0: {1: 0.5, 10: 0.25}, 2: {1: 0.5, 10: 0.25}}


def test_the_latest_are_the_last_of_those_that_ended(database: Database) -> None:
    study_id = database.study()
    with database.begin() as connection:
        trials.insert_running(connection, study_id, [trial(number) for number in range(6)])
        assert trials.latest(connection, study_id, limit=3) == []
    for number in (3, 0, 4, 1):  # as they came back
        done = trial(number, TrialState.COMPLETE, value=1.0, user_attrs={"outcome": "completed"})
        with database.begin() as connection:
            trials.finish(connection, study_id, [done])
    with database.begin() as connection:
        found = trials.latest(connection, study_id, limit=3)
        every = trials.ended(connection, study_id, after=0, limit=10)
    assert [each.number for _, each in found] == [1, 4, 0]
    assert found == every[:0:-1]
