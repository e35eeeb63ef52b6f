import math
from collections import Counter, deque
from copy import copy
from random import Random
from statistics import mean, median

import pytest
from optuna.trial import FrozenTrial, TrialState

from optimizers.configuration import Configuration
from optimizers.registry import RULES
from studies.portfolio import portfolio
from studies.search import Search
from studies.space import Space
from studies.spec import StudySpec
from tests.studies.pretend import ended, resolved, score, told

TRIALS, SIZE = 40, 8
SAMPLERS = ("model", "tpe", "sobol", "random")


def without_curve(trial: FrozenTrial) -> FrozenTrial:
    """As the database gives a trial to whoever rebuilds its study."""
    bare = copy(trial)
    bare.intermediate_values = {}
    return bare


def play(spec: StudySpec, *, in_flight: int = 1, rebuilt: bool = False) -> list[FrozenTrial]:
    """A study's trials, asked and told in order, by one search or by a new one every time."""
    assert spec.metric is not None
    search, stored = Search(spec), list[FrozenTrial]()
    waves: deque[list[FrozenTrial]] = deque()
    while True:
        while len(waves) < in_flight and len(stored) < TRIALS:
            if rebuilt:
                search = Search(spec, [without_curve(trial) for trial in stored])
            waves.append(search.ask(SIZE))
            stored += waves[-1]
        if not waves:
            return stored
        trials = [ended(search.space, trial, goal=spec.goal) for trial in waves.popleft()]
        search.tell(trials)
        for trial in trials:
            stored[trial.number] = trial


@pytest.mark.parametrize("metric", ["log_loss", "r2"])
@pytest.mark.parametrize("in_flight", [1, 2, 3])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_rebuilt_search_asks_what_an_unbroken_one_asks(
    sampler: str, in_flight: int, metric: str
) -> None:
    spec = resolved(sampler=sampler, metric=metric, seed=3)
    unbroken = told(play(spec, in_flight=in_flight))
    again = play(spec, in_flight=in_flight, rebuilt=True)
    assert told(again) == unbroken
    assert {"dropped_at" in trial.user_attrs for trial in again} == {True, False}
    assert TrialState.PRUNED in {state for _, state, *_ in unbroken}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_optimizers_that_are_compared_get_equally_many_trials(sampler: str) -> None:
    space = {"optimizers": ["sgd", "adam", "adagrad"]}
    spec = resolved(sampler=sampler, question="compare", space=space)
    trials = play(spec, in_flight=2)
    for asked in (SIZE, 3 * SIZE, TRIALS):
        had = Counter(trial.params["optimizer"] for trial in trials[:asked])
        assert max(had.values()) - min(had.values()) <= 1
    assert told(play(spec, in_flight=2, rebuilt=True)) == told(trials)
    # Each one's default comes first.
    of_each = {t.params["optimizer"]: t for t in reversed(trials)}
    defaults = {one.optimizer: one for one in reversed(Space(spec).defaults())}
    assert {n: Space(spec).configuration(t.params) for n, t in of_each.items()} == defaults


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_another_seed_asks_something_else_after_the_same_known_ones(sampler: str) -> None:
    first, second = (play(resolved(sampler=sampler, seed=seed)) for seed in (0, 1))
    space = Space(resolved())
    known = len(space.defaults()) + len(portfolio(space, "classification", 100))
    same = [a.params == b.params for a, b in zip(first, second, strict=True)]
    assert same == [True] * known + [False] * (TRIALS - known)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("size", [1, 5, 30])
def test_defaults_are_asked_first_however_large_a_wave_is(sampler: str, size: int) -> None:
    search = Search(resolved(sampler=sampler))
    asked: list[FrozenTrial] = []
    while len(asked) < 12:
        asked += search.ask(size)
    assert [trial.number for trial in asked] == list(range(len(asked)))
    assert search.asked == len(asked)
    assert {trial.state for trial in asked} == {TrialState.RUNNING}
    defaults = search.space.defaults()
    assert len(defaults) == 9
    found = [search.space.configuration(trial.params) for trial in asked]
    assert found[:9] == defaults
    assert found[9] not in defaults


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_optimizers_whose_learning_rate_is_not_searched_are_compared_too(sampler: str) -> None:
    rateless = [
        name
        for name, rule in RULES.items()
        if not any(h.searched for h in rule.hyperparameters if h.name == "learning_rate")
    ]
    assert rateless
    space = {"optimizers": [*rateless, "sgd"], "schedules": ["constant"], "batch": [32]}
    trials = play(resolved(sampler=sampler, question="compare", space=space))
    assert {trial.params["optimizer"] for trial in trials} == {*rateless, "sgd"}


def test_where_not_all_defaults_have_room_most_trials_are_for_likelier_ones() -> None:
    space = {"optimizers": "all", "batch": [32, 128]}
    search = Search(resolved(space=space, budget={"trials": 25}))
    asked = search.ask(25)
    assert [trial.user_attrs["default"] for trial in asked] == [True] * 5 + [False] * 20
    assert all(trial.user_attrs.get("portfolio") for trial in asked[5:17])
    compared = Search(resolved(space=space, budget={"trials": 25}, question="compare"))
    assert len({trial.params["optimizer"] for trial in compared.ask(25)}) == 25


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_wave_holds_a_configuration_twice(sampler: str) -> None:
    search = Search(resolved(sampler=sampler))
    first = search.ask(64)
    search.tell([ended(search.space, trial) for trial in first])
    for wave in (first, search.ask(64)):
        assert len({str(trial.params) for trial in wave}) == 64


def test_single_samples_are_in_waves_of_their_own() -> None:
    """And mostly two such waves follow one another, to train side by side."""
    seen, pairs = set(), []
    for seed in range(6):
        space = {"optimizers": ["adam"], "batch": [32, "single"]}
        waves: dict[int, set[bool]] = {}
        for trial in play(resolved(sampler="model", space=space, seed=seed), in_flight=2):
            waves.setdefault(trial.user_attrs["wave"], set()).add(trial.params["batch"] == "single")
        learned = [kinds for number, kinds in waves.items() if number >= 2]  # something had ended
        assert [len(kinds) for kinds in learned] == [1, 1, 1]
        seen |= set.union(*learned)
        pairs.append(waves[2] == waves[3])
    assert seen == {True, False}
    assert pairs.count(True) > pairs.count(False)


def test_trials_know_their_wave() -> None:
    search = Search(resolved())
    waves = [search.ask(size) for size in (5, 8, 1)]
    found = [[trial.user_attrs["wave"] for trial in wave] for wave in waves]
    assert found == [[0] * 5, [1] * 8, [2]]


def test_trials_know_where_they_come_from() -> None:
    search = Search(resolved())
    defaults = [search.space.params(one) for one in search.space.defaults()]
    chosen = [search.space.params(one) for one in portfolio(search.space, "classification", 100)]
    asked = search.ask(len(defaults) + len(chosen) + 3)
    assert [trial.params for trial in asked if trial.user_attrs["default"]] == defaults
    assert [trial.params for trial in asked if "portfolio" in trial.user_attrs] == chosen
    assert [trial.params for trial in asked[:-3]] == defaults + chosen


@pytest.mark.parametrize("learner", ["model", "tpe"])
def test_samplers_learn_from_what_they_are_told(learner: str) -> None:
    def late(sampler: str) -> float:
        space = {"optimizers": ["adam"], "schedules": ["constant"], "batch": [32]}
        trials = play(resolved(sampler=sampler, space=space))[-16:]
        return median(
            score(Space(resolved(space=space)).configuration(t.params)) or 9 for t in trials
        )

    assert late(learner) < 0.5 * late("random")


def test_a_third_of_the_waves_go_where_luck_varies_most() -> None:
    """Near divergence, where rates are worse on average, one in four is better than all others."""

    def near_divergence(found: Configuration) -> bool:
        return math.log10(found.hyperparameters["learning_rate"]) > -1.5

    def value(found: Configuration, luck: float) -> float:
        if near_divergence(found):
            return 0.1 + 0.3 * luck if luck < 1 / 4 else 0.9
        return 0.5 + 0.1 * luck

    space = {"optimizers": ["adam"], "schedules": ["cosine"], "batch": [32]}
    spec = resolved(space=space, budget={"trials": 400})
    chance, draws = Search(spec.model_copy(update={"sampler": "random"})), Random(0)
    known = [trial for _ in range(14) for trial in chance.ask(16)]
    for trial in known:
        trial.state = TrialState.COMPLETE
        trial.value = value(chance.space.configuration(trial.params), draws.random())

    def share(waves: int) -> float:
        asked = Search(spec, known[: 16 * waves]).ask(64)[32:]  # behind steps away from the best
        return mean(near_divergence(chance.space.configuration(trial.params)) for trial in asked)

    assert share(12) == 0.0  # by ranks
    assert share(14) > 0.1
