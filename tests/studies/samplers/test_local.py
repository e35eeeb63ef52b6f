import numpy as np
import pytest
from optuna.trial import TrialState

from studies.samplers import model
from studies.samplers.cube import Cube, Points
from studies.samplers.local import ENOUGH, LONGEST, local_steps
from studies.samplers.model import LOCAL_FROM, Model
from studies.search import Search
from studies.space import Space
from studies.spec import StudySpec
from tests.studies.pretend import resolved

SPEC = resolved(
    space={"optimizers": ["adam", "sgd"], "batch": ["single", 16]}, budget={"trials": 400}
)
CUBE = Cube(Space(SPEC))
CHOICES = len(CUBE.choices)


def trials(count: int) -> Points:
    rng = np.random.default_rng(1)
    return CUBE.switched(rng.random((count, len(CUBE.axes))))


def distances(points: Points, best: Points) -> Points:
    """Root mean square over the numbers that both have; NaN with other choices."""
    away = np.sqrt(np.nanmean((points - best)[:, CHOICES:] ** 2, axis=1))
    same = (CUBE.chosen(points) == CUBE.chosen(best[None])).all(axis=1)
    return np.where(same, away, np.nan)


def test_steps_keep_the_choices_of_the_best_and_stay_near() -> None:
    ranked = trials(40)
    steps = local_steps(CUBE, ranked, ranked, 8, None, np.random.default_rng(0))
    away = distances(steps, ranked[0])
    assert len(steps) == 8
    assert (away > 0).all()
    assert (away < 3 * LONGEST).all()
    assert ((steps >= 0) & (steps <= 1) | np.isnan(steps)).all()
    assert (np.isnan(steps) == np.isnan(ranked[0])).all()


def test_whoever_has_enough_around_it_leaves_the_steps_to_the_next() -> None:
    ranked, rng = trials(40), np.random.default_rng(0)
    around = local_steps(CUBE, ranked[:1], ranked, ENOUGH - 3, None, rng)
    # What is best after it is one of its steps, which has none of its own.
    ended = np.concatenate([ranked[:1], around[:1], ranked[1:]])
    single = bool(CUBE.single(ranked[:1])[0])
    steps = local_steps(CUBE, ended, np.concatenate([ranked, around]), 8, single, rng)
    follower = next(point for point in ranked[1:] if CUBE.single(point[None])[0] == single)
    assert np.isfinite(distances(steps[:3], ranked[0])).all()
    assert np.isfinite(distances(steps[3:], follower)).all()
    assert len(steps) == 8
    assert len(local_steps(CUBE, ranked[:1], np.concatenate([ranked, around]), 8, None, rng)) == 3


def test_steps_are_single_samples_only_where_the_wave_is() -> None:
    ranked = trials(40)
    for single in (True, False):
        steps = local_steps(CUBE, ranked, ranked, 8, single, np.random.default_rng(0))
        assert len(steps) == 8
        assert (CUBE.single(steps) == single).all()


def told(spec: StudySpec, count: int) -> Search:
    """A search whose trials have all ended, the later the worse."""
    search = Search(spec)
    for trial in search.ask(count):
        trial.state, trial.values = TrialState.COMPLETE, [1.0 + trial.number]
    return search


def proposed(search: Search) -> Points:
    sampler = Model(CUBE, SPEC.goal, SPEC.budget.trials)
    params = sampler.propose(search.trials, 16, np.random.default_rng(0))
    return np.array([CUBE.point(one) for one in params])


def test_half_of_a_wave_are_steps_once_enough_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    few, enough = told(SPEC, LOCAL_FROM - 1), told(SPEC, LOCAL_FROM)
    before, after = proposed(few), proposed(enough)
    best = CUBE.point(enough.trials[0].params)
    assert len(after) == 16
    assert (distances(after[:8], best) < 3 * LONGEST).all()
    assert not (distances(after[8:], best) < 3 * LONGEST).all()
    monkeypatch.setattr(model, "LOCAL", 0.0)
    np.testing.assert_array_equal(before, proposed(few))


def test_the_process_alone_decides_the_kind_of_every_other_pair_of_waves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enough = told(SPEC, LOCAL_FROM)

    def after(wave: int) -> Points:
        for trial in enough.trials:
            trial.user_attrs["wave"] = wave
        return proposed(enough)

    stepping = {wave: after(wave) for wave in range(3, 11)}
    monkeypatch.setattr(model, "LOCAL", 0.0)
    same = [wave for wave, points in stepping.items() if np.array_equal(points, after(wave), True)]
    assert same == [3, 7]  # what follows are the first waves of a pair
