import math
from collections.abc import Sequence

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.pareto import pareto
from studies.run import Told, run_study
from studies.space import Space
from studies.spec import StudySpec
from tests.studies.pretend import Cluster, resolved

LOWEST = resolved(space={"optimizers": ["sgd", "adam"], "schedules": ["constant"]})
HIGHEST = LOWEST.model_copy(update={"metric": "accuracy"})
SPACE = Space(LOWEST)
PARAMS = {d.optimizer: SPACE.params(d) for d in SPACE.defaults()[:2]}

Row = tuple[float, float, int]
"""Score, seconds, bytes."""


def trials(rows: Sequence[Row]) -> list[FrozenTrial]:
    made = []
    for number, (score, seconds, size) in enumerate(rows):
        params = PARAMS["adam" if size else "sgd"]
        made.append(
            create_trial(
                value=score,
                params=params,
                distributions=SPACE.distributions(params),
                user_attrs={"seconds": seconds, "state_bytes": size},
            )
        )
        made[-1].number = number
    return made


@pytest.mark.parametrize("spec", [LOWEST, HIGHEST])
def test_the_front_is_what_no_other_trial_beats(spec: StudySpec) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = int(rng.integers(1, 80))
        scores, seconds = rng.permutation(n) / 100, rng.integers(1, 20, n) / 10
        sizes = rng.integers(0, 4, n) * 4
        rows = np.column_stack([scores, seconds, sizes])
        losses = rows * [1 if spec is LOWEST else -1, 1, 1]
        found = pareto(spec, trials([(a, b, int(c)) for a, b, c in rows]))
        beaten = [(losses <= row).all(1) & (losses < row).any(1) for row in losses]
        assert {one.number for one in found} == {n for n in range(n) if not beaten[n].any()}
        assert [one.score for one in found] == sorted(
            (one.score for one in found), reverse=spec is HIGHEST
        )


def test_a_worse_score_must_be_quicker_or_take_less_memory() -> None:
    rows = [(0.1, 5.0, 8), (0.2, 5.0, 8), (0.2, 4.0, 8), (0.3, 5.0, 0), (0.4, 6.0, 0)]
    found = pareto(LOWEST, trials(rows))
    assert [one.number for one in found] == [0, 2, 3]
    assert [one.model_dump() for one in found[1:]] == [
        {"number": 2, "optimizer": "adam", "score": 0.2, "seconds": 4.0, "state_bytes": 8},
        {"number": 3, "optimizer": "sgd", "score": 0.3, "seconds": 5.0, "state_bytes": 0},
    ]


def test_of_equal_trials_the_first_is_shown() -> None:
    assert [one.number for one in pareto(LOWEST, trials([(0.1, 1.0, 8)] * 3))] == [0]


def test_only_full_trainings_that_tell_their_memory_take_part() -> None:
    rows = [(0.1, 1.0, 0), (0.2, 2.0, 0), (0.3, 3.0, 8), (0.4, 4.0, 8), (math.inf, 1.0, 0)]
    one, two, three, four, endless = trials(rows)
    one.state = two.state = TrialState.PRUNED
    del three.user_attrs["state_bytes"]
    assert [one.number for one in pareto(LOWEST, [one, two, three, four, endless])] == [3]
    assert pareto(LOWEST, []) == []


def test_trials_of_a_study_tell_what_is_needed() -> None:
    spec = resolved(budget={"trials": 40})
    told = [
        trial
        for event in run_study(spec, Cluster().submit)
        if isinstance(event, Told)
        for trial in event.trials
    ]
    found = pareto(spec, told)
    completed = [trial for trial in told if trial.state == TrialState.COMPLETE]
    assert found[0].score == min(trial.values[0] for trial in completed)
    assert found[-1].state_bytes == 0  # all took as long
