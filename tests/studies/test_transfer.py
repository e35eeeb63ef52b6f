"""What earlier studies found: how alike studies are, what is taken, and when it is tried."""

from collections import Counter
from dataclasses import replace
from itertools import combinations
from math import log10
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState

from studies.data.schema import Column, TableSchema
from studies.report import summarise
from studies.run import run_study
from studies.search import Search
from studies.space import Space
from studies.spec import ModelSpec, StudySpec
from studies.transfer import (
    APART,
    LEAST_LIKENESS,
    MOST,
    Earlier,
    MetaFeatures,
    Source,
    Transferred,
    choose,
    likeness,
    meta_features,
)
from tests.studies.pretend import Cluster, ended, resolved, save, told

WINE = MetaFeatures(
    task="classification", metric="log_loss", model=ModelSpec(), epochs=20, rows=178, features=13,
    classes=3, table=("wine", "target"), seed=0,
)  # fmt: skip
MODELS = st.builds(
    ModelSpec,
    kind=st.sampled_from(["mlp", "linear"]),
    hidden=st.lists(st.integers(1, 512), min_size=1, max_size=3),
    activation=st.sampled_from(["relu", "tanh"]),
    dropout=st.floats(0, 0.9),
)
STUDIES = st.builds(
    MetaFeatures,
    task=st.sampled_from(["classification", "regression"]),
    metric=st.sampled_from(["log_loss", "accuracy"]),
    model=MODELS,
    epochs=st.integers(1, 1000),
    rows=st.integers(20, 10**7),
    features=st.integers(1, 10**4),
    classes=st.integers(2, 1000),
    table=st.sampled_from([("wine", "target"), ("wine", "alcohol"), ("iris", "target")]),
    seed=st.integers(0, 1),
)


@given(a=STUDIES, b=STUDIES)
def test_likeness_is_symmetric_and_a_share(a: MetaFeatures, b: MetaFeatures) -> None:
    assert likeness(a, a) == 1
    assert likeness(a, b) == likeness(b, a)
    assert 0 <= likeness(a, b) <= 1
    if a.task != b.task:
        assert likeness(a, b) == 0
    elif a.table != b.table:
        assert likeness(a, b) < 1


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        ({"rows": 200}, {"rows": 2000}),
        ({"features": 14}, {"features": 64}),
        ({"classes": 2}, {"classes": 100}),
        ({"epochs": 25}, {"epochs": 100}),
        ({}, {"table": ("iris", "target")}),
        ({}, {"metric": "accuracy"}),
        ({"model": ModelSpec(hidden=[64])}, {"model": ModelSpec(hidden=[8])}),
        ({"model": ModelSpec(hidden=[64, 64])}, {"model": ModelSpec(hidden=[64, 64, 64, 64])}),
        ({"model": ModelSpec(hidden=[100])}, {"model": ModelSpec(kind="linear")}),
        ({}, {"model": ModelSpec(activation="tanh")}),
        ({}, {"model": ModelSpec(dropout=0.5)}),
    ],
)
def test_the_more_two_studies_differ_the_less_alike_they_are(
    nearer: dict[str, Any], farther: dict[str, Any]
) -> None:
    assert likeness(WINE, replace(WINE, **nearer)) > likeness(WINE, replace(WINE, **farther)) > 0


def test_a_decade_of_rows_halves_likeness() -> None:
    assert likeness(WINE, replace(WINE, rows=1780)) == pytest.approx(0.5)


def test_test_rows_stay_unseen() -> None:
    """Another seed cuts a table otherwise: test rows of one study judged trials of the other."""
    assert likeness(WINE, replace(WINE, seed=1)) == 0
    assert likeness(WINE, replace(WINE, seed=1, table=("iris", "target"))) > 0


def test_meta_features_count_what_a_network_sees() -> None:
    schema = TableSchema(
        rows=100,
        columns=(
            Column(name="size", kind="numeric", missing=3, distinct=90),
            Column(name="region", kind="categorical", missing=0, distinct=4),
            Column(name="id", kind="categorical", missing=0, distinct=100, left_out="identifier"),
            Column(name="y", kind="categorical", missing=2, distinct=3),
        ),
    )
    found = meta_features(resolved(seed=7), schema, "digest")
    assert (found.rows, found.features, found.classes) == (98, 5, 3)
    assert (found.table, found.seed, found.epochs) == (("digest", "y"), 7, 20)
    assert meta_features(resolved(task="regression", metric="rmse"), schema, "d").classes == 1
    with pytest.raises(ValueError, match="not in it"):
        meta_features(resolved(target="price"), schema, "digest")


def studied(spec: StudySpec, seed: int = 5, trials: int = 60) -> list[FrozenTrial]:
    """A study's completed trials, best first."""
    search = Search(spec.model_copy(update={"seed": seed, "sampler": "random"}))
    found = [ended(search.space, trial) for trial in search.ask(trials)]
    completed = [trial for trial in found if trial.state == TrialState.COMPLETE]
    return sorted(completed, key=lambda trial: trial.values[0])


def earlier(trials: list[FrozenTrial], job: str = "before", likeness: float = 0.8) -> Earlier:
    return Earlier(job, "wine", likeness, trials, len(trials))


EVERYTHING = resolved(space={"optimizers": "all", "schedules": "all"})
HERE = resolved(
    space={
        "optimizers": ["sgd", "adam", "momentum"],
        "schedules": ["cosine", "linear"],
        "batch": [32, "full"],
        "learning_rate": {"low": 1e-3, "high": 0.1},
    }
)


def test_what_is_chosen_is_inside_the_space_and_apart() -> None:
    trials = studied(EVERYTHING, trials=4000)
    space = Space(HERE)
    chosen = choose(HERE, [earlier(trials)])
    assert len(chosen) == MOST
    by_number = {trial.number: trial for trial in trials}
    for found in chosen:
        assert space.contains(found.params)
        for name, distribution in space.distributions(found.params).items():
            assert distribution._contains(distribution.to_internal_repr(found.params[name]))
        source = found.source
        assert (source.job, source.dataset, source.likeness) == ("before", "wine", 0.8)
        assert by_number[source.trial].params == found.params
        assert trials[source.rank - 1].number == source.trial
        assert source.completed == len(trials)
    configurations = [space.configuration(found.params) for found in chosen]
    for one, other in combinations(configurations, 2):
        rates = [log10(each.hyperparameters["learning_rate"]) for each in (one, other)]
        assert one.optimizer != other.optimizer or abs(rates[0] - rates[1]) >= APART
    assert choose(HERE, [earlier(trials)]) == chosen
    again = [Transferred.model_validate_json(found.model_dump_json()) for found in chosen]
    assert again == chosen


def test_a_space_contains_its_own_params_alone() -> None:
    space = Space(HERE)
    params = space.params(space.defaults()[1])
    assert space.contains(params)
    for changed in (
        {"optimizer": "lion"},
        {"schedule": "constant"},
        {"batch": 64},
        {"adam.learning_rate": 0.2},
        {"adam.momentum": 0.9},
    ):
        assert not space.contains(params | changed)
    assert not space.contains({name: each for name, each in params.items() if name != "batch"})
    assert not space.contains({})


def test_studies_that_are_more_alike_come_first_and_strangers_not_at_all() -> None:
    first, second = studied(HERE, 1), studied(HERE, 2)
    chosen = choose(HERE, [earlier(first, "far", 0.3), earlier(second, "near", 0.9)])
    assert chosen[0].source.job == "near"
    assert chosen[0].source.trial == next(
        trial.number for trial in second if trial.number >= len(Space(HERE).defaults())
    )
    assert choose(HERE, [earlier(first, likeness=LEAST_LIKENESS / 2)]) == []
    assert choose(HERE, []) == []


def test_defaults_are_not_tried_twice() -> None:
    space = Space(HERE)
    defaults = [space.params(default) for default in space.defaults()]
    trials = studied(HERE, trials=len(defaults))
    assert trials
    assert {str(trial.params) for trial in trials} <= {str(params) for params in defaults}
    assert choose(HERE, [earlier(trials)]) == []


@pytest.mark.parametrize(("trials", "most"), [(1, 1), (8, 1), (25, 3), (1000, MOST)])
def test_a_small_part_of_the_budget_is_transferred(trials: int, most: int) -> None:
    spec = HERE.model_copy(update={"budget": HERE.budget.model_copy(update={"trials": trials})})
    assert len(choose(spec, [earlier(studied(HERE, trials=1000))])) == most


def test_compared_optimizers_get_equally_many_transferred_trials() -> None:
    spec = HERE.model_copy(update={"question": "compare"})
    trials = studied(HERE, trials=1000)
    chosen = choose(spec, [earlier(trials)])
    of_each = Counter(each.params["optimizer"] for each in chosen)
    (each,) = set(of_each.values())
    assert of_each.keys() == {"sgd", "adam", "momentum"}
    assert 2 <= each <= 4  # of 33 trials
    untried = [trial for trial in trials if trial.params["optimizer"] != "sgd"]
    assert choose(spec, [earlier(untried)]) == []
    search = Search(spec, transferred=chosen)
    assert len({str(trial.params) for trial in search.ask(18)}) == 18  # no default twice
    search = Search(spec, transferred=chosen)
    asked = search.ask(3 * (2 + each))  # full batches have a default too
    for name in of_each:
        own = [trial for trial in asked if trial.params["optimizer"] == name]
        assert [trial.user_attrs["default"] for trial in own] == [True] * 2 + [False] * each
        assert all("transferred" in trial.user_attrs for trial in own[2:])


TRANSFERRED = choose(HERE, [earlier(studied(HERE, trials=300))])


def test_transferred_trials_come_right_after_the_defaults() -> None:
    asked = Search(HERE, transferred=TRANSFERRED).ask(16)
    defaults = len(Space(HERE).defaults())
    flags = [trial.user_attrs["default"] for trial in asked]
    assert flags == [True] * defaults + [False] * (16 - defaults)
    found = asked[defaults : defaults + len(TRANSFERRED)]
    assert [trial.params for trial in found] == [each.params for each in TRANSFERRED]
    sources = [Source.model_validate(trial.user_attrs["transferred"]) for trial in found]
    assert sources == [each.source for each in TRANSFERRED]
    assert sum("transferred" in trial.user_attrs for trial in asked) == len(TRANSFERRED)
    optuna.create_study().add_trials([ended(Space(HERE), trial) for trial in asked])


@pytest.mark.parametrize("question", ["search", "compare"])
@pytest.mark.parametrize("cut", range(0, 30, 7))
def test_a_resumed_study_asks_the_same(question: str, cut: int) -> None:
    fields = {
        "question": question,
        "sampler": "random",
        "budget": HERE.budget.model_copy(update={"trials": 30}),
    }
    spec = HERE.model_copy(update=fields)

    def run(stored: list[FrozenTrial], events: int) -> list[FrozenTrial]:
        study = run_study(spec, Cluster().submit, known=list(stored), transferred=TRANSFERRED)
        for _, event in zip(range(events), study, strict=False):
            save(stored, event)
        return stored

    unbroken = run([], 1000)
    assert len(unbroken) == 30
    assert told(run(run([], cut), 1000)) == told(unbroken)
    assert sum("transferred" in trial.user_attrs for trial in unbroken) == len(TRANSFERRED)


def test_a_report_says_what_transferred_trials_came_to() -> None:
    space = Space(HERE)
    search = Search(HERE, transferred=TRANSFERRED)
    trials = [ended(space, trial) for trial in search.ask(16)]
    report = summarise(HERE, trials)
    assert [row.trial.transferred for row in report.transferred] == [
        each.source for each in TRANSFERRED
    ]
    values = sorted(trial.values[0] for trial in trials if trial.values)
    for row in report.transferred:
        assert row.trial.value is not None
        assert row.rank == values.index(row.trial.value) + 1
    trials[report.transferred[0].trial.number] = search.ask(1)[-1]
    assert report.best is not None
    nothing = summarise(HERE, [ended(space, trial) for trial in Search(HERE).ask(16)])
    assert nothing.transferred == []
    running = summarise(HERE, Search(HERE, transferred=TRANSFERRED).ask(16))
    assert {row.rank for row in running.transferred} == {None}
