from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from studies.budget import limit_met
from studies.run import run_study
from tests.studies.pretend import Cluster, resolved, save


def trial(number: int, value: float | None, state: TrialState | None = None) -> FrozenTrial:
    if state is None:  # RUNNING counts as false
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
    made = optuna.trial.create_trial(
        state=state, value=value, user_attrs={"epochs": 10, "samples": 1000}
    )
    made.number = number
    return made


FALLING = [trial(number, 1.0 - number / 10) for number in range(5)]  # ends at 0.6
RUNNING = [trial(number, None, TrialState.RUNNING) for number in range(5, 8)]


@pytest.mark.parametrize(
    ("budget", "limit"),
    [
        ({}, None),
        ({"trials": 9}, None),
        ({"trials": 8}, "trials"),  # running ones count as asked
        ({"seconds": 4.6}, None),
        ({"seconds": 4.5}, "seconds"),  # a third is for the confirmation
        ({"total_epochs": 51}, None),
        ({"total_epochs": 50}, "total_epochs"),
        ({"samples": 5001}, None),
        ({"samples": 5000}, "samples"),
        ({"target": 0.59}, None),
        ({"target": 0.6}, "target"),
        ({"patience": 1}, None),  # the last one to end was the best
        ({"trials": 8, "target": 0.6}, "trials"),
    ],
)
def test_whichever_limit_is_met_first_ends_a_study(budget: dict[str, Any], limit: str) -> None:
    assert limit_met(resolved(budget=budget), FALLING + RUNNING, 3.0) == limit


def test_without_a_confirmation_trials_have_all_the_seconds() -> None:
    for seconds, limit in ((3.1, None), (3.0, "seconds")):
        spec = resolved(budget={"seconds": seconds}, confirmation={"seeds": 0})
        assert limit_met(spec, FALLING, 3.0) == limit


def test_without_a_completed_trial_there_is_nothing_to_keep_seconds_for() -> None:
    for seconds, limit in ((3.1, None), (3.0, "seconds")):
        spec = resolved(budget={"seconds": seconds})
        assert limit_met(spec, [trial(0, None), *RUNNING], 3.0) == limit


def test_high_values_reach_a_target_from_below() -> None:
    for target, limit in ((1.0, "target"), (1.01, None)):
        spec = resolved(metric="accuracy", budget={"target": target})
        assert limit_met(spec, FALLING, 0.0) == limit


def test_patience_counts_trials_after_the_best_whatever_came_of_them() -> None:
    trials = [*FALLING, trial(5, None), trial(6, 0.6), trial(7, 0.9), *RUNNING]
    for patience, limit in ((3, "patience"), (4, None)):
        assert limit_met(resolved(budget={"patience": patience}), trials, 0.0) == limit


def test_without_a_completed_trial_nothing_is_good_enough() -> None:
    spec = resolved(budget={"target": 0.1, "patience": 1})
    assert limit_met(spec, [trial(0, None), trial(1, None)], 0.0) is None


@pytest.mark.parametrize("in_flight", [1, 3])
def test_a_study_ends_with_the_waves_under_way(in_flight: int) -> None:
    spec = resolved(budget={"trials": 400, "total_epochs": 200})
    stored: list[FrozenTrial] = []
    for event in run_study(spec, Cluster().submit, in_flight=in_flight):
        save(stored, event)
    assert all(each.state.is_finished() for each in stored)
    # Told after the wave that reaches 100 trials, those in flight ended as well.
    assert len(stored) == 7 * 16 + (in_flight - 1) * 16
