from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from studies.samplers.standing import among_best, normal_scores, relative_losses, standing
from studies.spec import GOALS, Metric


def trial(value: float | None, dropped_at: int | None = None) -> FrozenTrial:
    attributes: dict[str, Any] = {"metrics": {"rmse": value, "r2": value}}
    if dropped_at is not None:
        attributes["dropped_at"] = dropped_at
    completed = value is not None and dropped_at is None
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE if completed else TrialState.PRUNED,
        value=value if completed else None,
        user_attrs=attributes,
    )


def scored(trials: list[FrozenTrial], metric: Metric) -> np.ndarray:
    return normal_scores(np.array([standing(trial, GOALS[metric]) for trial in trials]))


@pytest.mark.parametrize(("sign", "metric"), [(1.0, "rmse"), (-1.0, "r2")])
def test_completed_come_before_dropped_and_those_before_diverged(
    sign: float, metric: Metric
) -> None:
    trials = [
        trial(sign * 0.3),
        trial(sign * 0.1),
        trial(None),
        trial(sign * 0.01, dropped_at=3),
        trial(sign * 0.2, dropped_at=7),
        trial(sign * 0.02, dropped_at=3),
    ]
    scores = scored(trials, metric)
    order = sorted(range(len(trials)), key=lambda place: scores[place])
    assert order == [1, 0, 4, 3, 5, 2]
    assert scores.mean() == pytest.approx(0.0, abs=1e-12)


def test_equals_score_alike_however_far_the_others_are() -> None:
    scores = scored([trial(None), trial(1.0), trial(1e9), trial(None)], "rmse")
    assert scores[0] == scores[3]
    assert (
        scores.tolist()
        == scored([trial(None), trial(1.0), trial(2.0), trial(None)], "rmse").tolist()
    )


def test_an_audited_trial_stands_where_it_ended() -> None:
    audited, other = trial(0.1), trial(0.2)
    audited.user_attrs["dropped_at"] = 3
    assert scored([other, audited], "rmse").tolist() == pytest.approx([0.6745, -0.6745], 1e-3)


def related(values: list[float | None], metric: Metric = "rmse") -> np.ndarray:
    return relative_losses(np.array([standing(trial(value), GOALS[metric]) for value in values]))


def test_what_is_nearly_equal_stays_so_however_much_there_is_of_it() -> None:
    first = [*[0.5, 1.0, 2.0, 4.0, 8.0] * 4, 3.0, 3.0, 5.0, 5.0]
    plateau = [0.25 + place / 1e5 for place in range(500)]
    found = related([*first, *plateau])
    assert np.ptp(found[24:]) < 0.05
    assert found[24:].max() < found[0] < found[1]
    assert np.ptp(scored([trial(value) for value in [*first, *plateau]], "rmse")[24:]) > 2


def test_the_first_trials_have_the_quartile_of_a_normal_sample() -> None:
    losses = np.exp(np.random.default_rng(0).normal(-3.0, 2.0, 24))
    found = related(losses.tolist())
    assert np.quantile(found, [0.25, 0.5]) == pytest.approx([-0.6745, 0.0], abs=0.05)
    assert found.tolist() == pytest.approx(related((1 - losses).tolist(), "r2").tolist())


def test_useless_is_useless() -> None:
    found = related([0.1, 0.2, 0.3, 0.4, 50.0, 1e300, None])
    assert found[4:].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("values", [[None, None], [0.0, 0.0, 0.0, None], [0.3] * 30])
def test_trials_that_do_not_differ_stand_by_rank(values: list[float | None]) -> None:
    assert related(values).tolist() == scored([trial(value) for value in values], "rmse").tolist()


def best(values: list[float | None]) -> np.ndarray:
    return among_best(scored([trial(value) for value in values], "rmse"))


def test_who_is_among_the_best_is_alike_and_so_are_all_others() -> None:
    values: list[float | None] = [None, *np.random.default_rng(0).permutation(99).tolist()]
    found = best(values)
    good = [value is not None and value < 15 for value in values]
    assert found.mean() == pytest.approx(0.0, abs=1e-12)
    assert found.std() == pytest.approx(1.0)
    assert np.ptp(found[good]) == np.ptp(found[np.invert(good)]) == 0.0
    assert found[good][0] < found[np.invert(good)][0]


@pytest.mark.parametrize("values", [[float(value) for value in range(39)], [0.3] * 100])
def test_the_best_are_told_by_rank_where_they_are_few_or_all(values: list[float | None]) -> None:
    assert best(values).tolist() == scored([trial(value) for value in values], "rmse").tolist()
