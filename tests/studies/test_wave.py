from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from sklearn.datasets import load_diabetes, load_wine

from optimizers.configuration import Configuration
from studies.data.prepare import Data, prepare
from studies.data.schema import describe
from studies.resolve import resolve
from studies.spec import RungsSpec, StudySpec
from studies.wave import CURVE_POINTS, WaveTrial, build_problem, run_wave

LOADERS: dict[str, Callable[..., Any]] = {"wine": load_wine, "diabetes": load_diabetes}
CONFIGURATIONS = [
    Configuration("adam", {"learning_rate": 0.01}, "cosine", {"warmup": 0.1}, 32),
    Configuration("sgd", {"learning_rate": 0.1}, batch="full"),
    Configuration("sgd", {"learning_rate": 0.01}, "linear", {"final": 0.05}, "single"),
    Configuration("momentum", {"learning_rate": 0.02}, "step", {"gamma": 0.5}, 32),
    Configuration("adam", {"learning_rate": 0.003}, "exponential", {"final": 0.1}, "full"),
    Configuration("adagrad", batch=32),
]
HOPELESS = Configuration("sgd", {"learning_rate": 1e12}, batch=32)


def study(name: str, **fields: Any) -> tuple[StudySpec, Data]:
    table = pa.Table.from_pandas(LOADERS[name](as_frame=True).frame, preserve_index=False)
    schema = describe(table)
    spec = {"model": {"hidden": [8]}, "budget": {"epochs": 4}} | fields
    resolved = resolve(StudySpec.model_validate(spec), schema).spec
    return resolved, prepare(table, schema, resolved)


def described(configurations: list[Configuration], seed: int = 0) -> list[WaveTrial]:
    return [WaveTrial(number, each, seed) for number, each in enumerate(configurations)]


def bits(spec: StudySpec, data: Data, trials: list[WaveTrial]) -> dict[int, tuple[Any, ...]]:
    """Everything but the time it took, by number."""
    return {
        each.number: (each.outcome, each.value, each.metrics, each.curve, each.diverged_at)
        for each in run_wave(data, spec, trials)
    }


@pytest.mark.parametrize("name", LOADERS)
def test_the_same_wave_gives_the_same_results(name: str) -> None:
    trials = described([*CONFIGURATIONS, HOPELESS])
    assert bits(*study(name), trials) == bits(*study(name), trials)


def test_how_trials_are_split_into_waves_does_not_matter() -> None:
    spec, data = study("wine")
    trials = described([*CONFIGURATIONS, HOPELESS])
    together = bits(spec, data, trials)
    assert bits(spec, data, trials[::-1]) == together
    assert bits(spec, data, trials[:3]) | bits(spec, data, trials[3:]) == together
    alone = [bits(spec, data, [trial]) for trial in trials]
    assert {number: each for one in alone for number, each in one.items()} == together


def test_results_come_in_the_order_of_the_wave() -> None:
    spec, data = study("wine")
    trials = described(CONFIGURATIONS)[::-1]
    assert [each.number for each in run_wave(data, spec, trials)] == [5, 4, 3, 2, 1, 0]


def test_another_seed_gives_other_results() -> None:
    spec, data = study("wine")
    first, second = (bits(spec, data, described(CONFIGURATIONS, seed)) for seed in (0, 1))
    assert all(first[number] != second[number] for number in first)


def test_a_completed_trial_has_the_metric_of_its_last_epoch() -> None:
    spec, data = study("wine")
    for each in run_wave(data, spec, described(CONFIGURATIONS)):
        assert each.outcome == "completed"
        assert each.value == each.curve[4] == each.metrics["log_loss"]
        assert each.metrics.keys() == {"loss", "log_loss", "accuracy"}
        assert list(each.curve) == [1, 2, 3, 4]
        assert each.diverged_at is None
        assert each.untrained is not None
        assert 1 < each.untrained < 1.2
        assert each.seconds > 0


def test_the_metric_is_the_one_that_was_asked_for() -> None:
    spec, data = study("wine", metric="accuracy")
    (each,) = run_wave(data, spec, described(CONFIGURATIONS[:1]))
    assert each.value == each.metrics["accuracy"]
    assert set(each.curve.values()) <= {hits / 29 for hits in range(30)}


def test_a_regression_is_judged_in_the_unit_of_its_target() -> None:
    spec, data = study("diabetes", budget={"epochs": 20})
    (each,) = run_wave(data, spec, described(CONFIGURATIONS[:1]))
    assert each.metrics.keys() == {"loss", "rmse", "mae", "r2"}
    assert each.value == each.metrics["rmse"]
    assert 40 < each.metrics["mae"] < each.metrics["rmse"] < data.target_scale < 100


def test_a_diverged_trial_says_when_and_leaves_the_others_alone() -> None:
    spec, data = study("wine")
    *others, lost = run_wave(data, spec, described([*CONFIGURATIONS, HOPELESS]))
    assert {each.outcome for each in others} == {"completed"}
    assert (lost.outcome, lost.value) == ("diverged", None)
    assert lost.diverged_at is not None
    assert lost.diverged_at >= 1
    assert len(lost.curve) < spec.budget.epochs


def test_a_wave_that_is_ended_early_keeps_what_it_has() -> None:
    spec, data = study("wine")
    calls = iter([*[True] * 2 * (-(-len(data.train.inputs) // 32)), False])
    trials = described(CONFIGURATIONS[:1])
    (each,) = run_wave(data, spec, trials, keep_going=lambda: next(calls))
    assert (each.outcome, each.value, list(each.curve)) == ("stopped", None, [1, 2])
    assert each.metrics["log_loss"] == each.curve[2]
    (each,) = run_wave(data, spec, trials, keep_going=lambda: False)
    assert (each.outcome, each.value, each.curve, each.metrics) == ("stopped", None, {}, {})


@pytest.mark.parametrize("epochs", [1, 49, 50, 51, 120, 333])
def test_a_curve_is_thinned_to_about_fifty_points_and_its_last(epochs: int) -> None:
    spec, data = study("wine", budget={"epochs": epochs}, model={"kind": "linear"})
    (each,) = run_wave(data, spec, described(CONFIGURATIONS[1:2]))
    points = list(each.curve)
    assert points[-1] == epochs
    assert len(points) == epochs if epochs <= CURVE_POINTS else 25 <= len(points) <= 51
    assert points == sorted(points)
    assert each.curve[epochs] == each.value


def test_the_network_is_the_one_of_the_spec() -> None:
    spec, data = study("wine", model={"kind": "linear"})
    assert list(build_problem(data, spec).shapes.values()) == [(3, 13), (3,)]
    spec, data = study("diabetes", model={"hidden": [5, 4]})
    layers = [(5, 10), (5,), (4, 5), (4,), (1, 4), (1,)]
    assert list(build_problem(data, spec).shapes.values()) == layers


def many(trials: int) -> list[WaveTrial]:
    """Configurations from useless to good."""
    rates = [10 ** (-5 + 4 * place / trials) for place in range(trials)]
    return described([Configuration("adam", {"learning_rate": rate}, batch=16) for rate in rates])


def test_weak_trials_are_dropped_at_rungs_and_the_others_are_as_without() -> None:
    spec, data = study("wine", budget={"epochs": 18}, rungs={"audited": 0.0})
    trials = many(18)
    results = run_wave(data, spec, trials)
    assert Counter((each.outcome, each.dropped_at) for each in results) == {
        ("dropped", 6): 12,
        ("completed", None): 6,
    }  # after two epochs they have made 16 steps: too few to judge
    whole = run_wave(data, spec.model_copy(update={"rungs": RungsSpec(rule="none")}), trials)
    for cut, full in zip(results, whole, strict=True):
        assert cut.epochs == (6 if cut.outcome == "dropped" else 24)
        assert full.epochs == 18
        if cut.outcome == "completed":
            assert (cut.value, cut.curve) == (full.value, full.curve)
            assert list(cut.rungs) == [6]
            assert cut.rungs[6] <= (results[0].threshold or 0)
        else:
            assert (cut.value, list(cut.curve)) == (None, [1, 2, 3, 4, 5, 6])
            assert cut.curve[6] == cut.metrics["log_loss"] > (cut.threshold or 9)


def test_a_rung_is_a_whole_training_with_a_schedule_of_its_own_length() -> None:
    cosine = [
        WaveTrial(each.number, replace(each.configuration, schedule="cosine"), 0)
        for each in many(9)
    ]
    spec, data = study("wine", budget={"epochs": 18}, rungs={"audited": 0.0})
    short, _ = study("wine", budget={"epochs": 6}, rungs={"rule": "none"})
    alone = {each.number: each.value for each in run_wave(data, short, cosine)}
    for each in run_wave(data, spec, cosine):
        assert alone[each.number] == (each.rungs.get(6) or each.curve[6])


def test_audited_trials_train_to_the_end_although_they_failed() -> None:
    spec, data = study("wine", budget={"epochs": 18}, rungs={"audited": 1.0})
    results = run_wave(data, spec, many(18))
    assert {each.outcome for each in results} == {"completed"}
    assert sum(each.audited for each in results) == 12
    assert {each.dropped_at for each in results if each.audited} == {6}


def test_optimizers_that_are_compared_compete_with_themselves_at_rungs() -> None:
    fields: dict[str, Any] = {"budget": {"epochs": 18}, "rungs": {"audited": 0.0}}
    hopeless = [
        WaveTrial(50 + place, Configuration("sgd", {"learning_rate": 1e-6 * place}, batch=16), 0)
        for place in range(1, 4)
    ]
    for question, survivors in (("search", {0}), ("compare", {1})):
        spec, data = study("wine", question=question, **fields)
        results = run_wave(data, spec, [*many(9), *hopeless])
        found = Counter(r.outcome for r in results if r.number >= 50)
        assert {found["completed"]} == survivors


def test_no_rung_drops_the_default_of_an_optimizer() -> None:
    spec, data = study("wine", budget={"epochs": 18}, rungs={"audited": 0.0})
    hopeless = Configuration("sgd", {"learning_rate": 1e-6}, batch=16)
    for default, ending in ((True, ("completed", 18)), (False, ("dropped", 6))):
        weak = WaveTrial(99, hopeless, 0, default)
        (result,) = (r for r in run_wave(data, spec, [*many(9), weak]) if r.number == 99)
        assert (result.outcome, result.epochs) == ending


def test_slow_starters_are_not_judged_before_they_have_started() -> None:
    spec, data = study("wine", budget={"epochs": 18}, rungs={"audited": 0.0})
    slow = described([Configuration("sgd", {"learning_rate": 1e-4}, batch="full")])[0]
    slow = WaveTrial(99, slow.configuration, 0)
    (result,) = (r for r in run_wave(data, spec, [*many(9), slow]) if r.number == 99)
    assert (result.outcome, result.epochs, result.rungs) == ("completed", 18, {})


def test_a_wave_stopped_below_the_top_drops_nobody() -> None:
    spec, data = study("wine", budget={"epochs": 18}, rungs={"audited": 0.0})
    steps = -(-len(data.train.inputs) // 16)  # of an epoch; the only rung is at the sixth
    for left in (0, 1, 5, 9):
        asked = count()
        results = run_wave(data, spec, many(9), lambda: next(asked) < left * steps)  # noqa: B023
        outcomes = {each.outcome for each in results}
        assert outcomes == ({"stopped"} if left < 7 else {"stopped", "dropped"})
        assert all(each.value is None for each in results if each.outcome == "stopped")
