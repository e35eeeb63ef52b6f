import math
from collections.abc import Callable
from copy import copy

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from optimizers.configuration import Configuration
from optimizers.registry import RULES
from studies.importance import (
    CONFIDENCE,
    FEWEST_COMPLETED,
    FEWEST_TRIALS,
    ChoiceShare,
    importance,
)
from studies.portfolio import portfolio
from studies.search import Search
from studies.space import Space
from studies.spec import StudySpec
from tests.studies.pretend import ended, resolved

SPEC = resolved(
    space={
        "optimizers": ["sgd", "momentum", "adam", "rmsprop"],
        "schedules": ["constant", "linear", "cosine"],
    },
    sampler="random",
)
HIGHEST = SPEC.model_copy(update={"metric": "accuracy"})
SPACE = Space(SPEC)
CHOICES = {"optimizer", "learning_rate", "schedule", "batch", "others"}
FAMILY = {"sgd": -1.0, "momentum": -1.0, "adam": 1.0, "rmsprop": 1.0}

Scored = Callable[[Configuration], float | None]


def studied(scored: Scored, count: int = 100, spec: StudySpec = SPEC) -> list[FrozenTrial]:
    """Defaults and trials from all over the space: the portfolio is left out."""
    search = Search(spec)
    assert spec.task is not None
    some = len(portfolio(search.space, spec.task, spec.budget.trials))
    asked = [t for t in search.ask(count + some) if "portfolio" not in t.user_attrs]
    return [ended(search.space, trial, scored) for trial in asked]


def shares(scored: Scored, count: int = 100, spec: StudySpec = SPEC) -> dict[str, ChoiceShare]:
    found = importance(spec, studied(scored, count, spec))
    assert found.trials == count
    return {one.choice: one for one in found.choices}


def family(c: Configuration) -> float:
    """Of mean 0 and variance 1 over random trials."""
    return FAMILY[c.optimizer]


def side(c: Configuration) -> float:
    """Likewise, by the learning rate: which half of the range it is in."""
    h = RULES[c.optimizer].hyperparameters[0]
    return math.copysign(1.0, math.log10(c.hyperparameters["learning_rate"] / h.default))


@pytest.mark.parametrize("spec", [SPEC, HIGHEST])
def test_what_alone_matters_explains_all(spec: StudySpec) -> None:
    found = shares(family, spec=spec)
    assert found.keys() == CHOICES
    assert next(iter(found)) == "optimizer"
    assert found["optimizer"].share > 0.9
    assert found["optimizer"].interval[0] > 0.8
    for name in CHOICES - {"optimizer"}:
        assert found[name].share < 0.02
        assert found[name].interval[0] < 0.001


def test_what_matters_alike_has_like_shares() -> None:
    def slope(c: Configuration) -> float:
        h = RULES[c.optimizer].hyperparameters[0]
        return math.log10(c.hyperparameters["learning_rate"] / h.default)

    scale = float(np.std([slope(SPACE.configuration(t.params)) for t in Search(SPEC).ask(200)]))
    found = shares(lambda c: family(c) + slope(c) / scale, 200)
    both = [found["optimizer"], found["learning_rate"]]
    assert both[0].share == pytest.approx(both[1].share, abs=0.15)
    for one in both:
        assert one.share == pytest.approx(0.5, abs=0.15)
        assert one.interval[0] < one.share < one.interval[1]
    assert sum(one.share for one in found.values()) == pytest.approx(1, abs=0.15)


def test_an_interaction_is_split_between_those_who_take_part() -> None:
    found = shares(lambda c: family(c) * (1 if c.schedule == "cosine" else -1), 200)
    assert found["optimizer"].share > 0.3
    assert found["schedule"].share > 0.3
    assert found["learning_rate"].share < 0.05


@pytest.mark.parametrize("count", [FEWEST_TRIALS, 100, 300])
def test_if_nothing_matters_nothing_is_said_to(count: int) -> None:
    noise = iter(np.random.default_rng(count).standard_normal(count).tolist())
    for one in shares(lambda _: next(noise), count).values():
        assert one.share < (0.2 if count == FEWEST_TRIALS else 0.05)
        assert one.interval[0] < 0.02


def test_noise_is_in_no_share() -> None:
    noise = iter(np.random.default_rng(0).standard_normal(300).tolist())
    found = shares(lambda c: family(c) + next(noise), 300)
    assert found["optimizer"].share == pytest.approx(0.5, abs=0.15)
    assert sum(one.share for one in found.values()) < 0.7


def test_diverged_and_dropped_trials_count() -> None:
    """All that completed stand alike: what is left of the variation is who did not."""

    def fate(c: Configuration) -> float | None:
        if c.hyperparameters["learning_rate"] < 0.003:
            return 1.0
        return None if c.optimizer in {"sgd", "momentum"} else 2.0  # 2 is dropped

    trials = studied(fate)
    assert {t.values[0] for t in trials if t.state == TrialState.COMPLETE} == {1.0}
    found = {one.choice: one.share for one in importance(SPEC, trials).choices}
    assert found["learning_rate"] + found["optimizer"] > 0.7
    assert found["batch"] < 0.05


def test_the_largest_share_comes_first() -> None:
    found = shares(lambda c: 2 * family(c) + side(c) + (c.schedule == "cosine"), 150)
    assert list(found)[:3] == ["optimizer", "learning_rate", "schedule"]
    told = [one.share for one in found.values()]
    assert told == sorted(told, reverse=True)


def test_the_same_trials_give_the_same_answer() -> None:
    trials = studied(side)
    assert importance(SPEC, trials) == importance(SPEC, trials)


def test_a_choice_that_the_space_leaves_no_choice_in_is_not_told() -> None:
    lone = resolved(
        space={"optimizers": ["sgd"], "schedules": ["constant"], "batch": [32]}, sampler="random"
    )
    assert shares(side, spec=lone).keys() == {"learning_rate", "others"}
    assert shares(side, spec=lone)["learning_rate"].share > 0.8


def test_too_few_trials_say_nothing() -> None:
    trials = studied(side, FEWEST_TRIALS - 1)
    under_way, stopped = Search(SPEC).ask(2)
    stopped.state = TrialState.FAIL
    assert importance(SPEC, [*trials, under_way, stopped]).choices == []
    assert importance(SPEC, []).choices == []
    assert importance(SPEC, studied(lambda _: 0.5)).choices == []
    assert importance(SPEC, studied(lambda _: None)).choices == []


def test_a_metric_is_needed() -> None:
    with pytest.raises(ValueError, match="metric is open"):
        importance(StudySpec(), studied(side))


def completed(values: list[float], untrained: float | None = None) -> list[FrozenTrial]:
    params = SPACE.params(SPACE.defaults()[0])
    attributes = {} if untrained is None else {"untrained": untrained}
    trial = create_trial(
        value=0.0, params=params, distributions=SPACE.distributions(params), user_attrs=attributes
    )
    trials = [copy(trial) for _ in values]
    for each, value in zip(trials, values, strict=True):
        each.value = value
    return trials


@pytest.mark.parametrize("spread", [0.3, 1.0])
@pytest.mark.parametrize("tails", [math.inf, 8])
def test_the_share_of_the_seed_is_held_by_its_interval(spread: float, tails: float) -> None:
    rng = np.random.default_rng(0)
    # Too few trials for shares of choices, which would take long.
    truth, held = spread**2 / (1 + spread**2), 0
    for _ in range(300):
        values = rng.standard_normal(29)
        if tails < math.inf:
            values = rng.standard_t(tails, 29) / math.sqrt(tails / (tails - 2))
        again = {n: (spread * rng.standard_normal(8) + n).tolist() for n in range(4)}
        found = importance(SPEC, completed(values.tolist(), untrained=1e9), again).seed
        assert found is not None
        assert found.interval[0] < found.share < found.interval[1]
        held += found.interval[0] <= truth <= found.interval[1]
    assert held / 300 == pytest.approx(CONFIDENCE, abs=0.06)


def test_a_seed_that_diverged_is_as_bad_as_no_training() -> None:
    trials = completed([0.1 * n for n in range(20)], untrained=1.0)
    diverged = importance(SPEC, trials, {3: [0.3, 0.3, None]}).seed
    assert diverged == importance(SPEC, trials, {3: [0.3, 0.3, 1.0]}).seed
    assert diverged == importance(SPEC, trials, {3: [0.3, 0.3, 50.0]}).seed
    assert diverged is not None
    assert diverged.share > 0.3
    # Nor does it matter how much worse than untrained a completed trial is.
    worse = completed([0.1 * n for n in range(19)] + [1e9], untrained=1.0)
    assert importance(SPEC, worse, {3: [0.3, 0.3, None]}).seed == diverged


def test_where_more_is_better_the_seed_has_the_same_share() -> None:
    values = [0.02 * n for n in range(30)]
    again: dict[int, list[float | None]] = {1: [0.3, 0.5, None], 2: [0.1, 0.2]}
    mirrored = {n: [None if s is None else -s for s in scores] for n, scores in again.items()}
    low = importance(SPEC, completed(values, 0.9), again).seed
    high = importance(HIGHEST, completed([-v for v in values], -0.9), mirrored).seed
    assert low == high


def test_without_confirmation_the_seed_is_not_told() -> None:
    trials = completed([0.1 * n for n in range(20)])
    assert importance(SPEC, trials).seed is None
    assert importance(SPEC, trials, {}).seed is None
    assert importance(SPEC, trials, {1: [0.5], 2: [0.6]}).seed is None
    again: dict[int, list[float | None]] = {1: [0.5, 0.6]}
    assert importance(SPEC, trials[: FEWEST_COMPLETED - 1], again).seed is None
    assert importance(SPEC, completed([0.5] * 20), again).seed is None
    assert importance(SPEC, completed([0.1 + 0.2, 0.3] * 10), again).seed is None
    assert importance(SPEC, completed([-math.inf, *range(19)]), again).seed is None
    assert importance(SPEC, completed([math.inf] * 20), again).seed is None
    assert importance(SPEC, completed([math.inf, *range(19)]), again).seed is not None
    assert importance(SPEC, trials, again).seed is not None
