from collections import Counter

import pytest

from optimizers.configuration import Configuration
from studies.divergence import Trouble, trouble
from studies.spec import GOALS, Metric
from studies.wave import WaveTrial, run_wave
from tests.studies.test_wave import described, study

HUMP = [0.9, 0.7, 0.5, 0.3, 0.2, 0.9, 0.2, 0.8, 0.3, 0.9]


@pytest.mark.parametrize(
    ("metric", "curve", "diverged_at", "expected"),
    [
        ("log_loss", [0.9, 0.7, 0.5, 0.3, 0.2, 0.1], None, None),
        ("log_loss", [0.9, 0.5, 0.3, 0.5, 0.9, 1.5, 2.0, 2.5], None, None),  # overfitted
        ("log_loss", [0.999, 0.998, 0.997], None, "plateau"),
        ("log_loss", [1.5, 9.0, 9.1, 9.0, 9.1, 9.1, 9.05, 9.0], None, "plateau"),
        ("log_loss", [1.5, 9.0, 3.0, 7.0, 2.0, 9.0, 3.0, 5.0], None, "oscillation"),
        ("log_loss", HUMP, None, "oscillation"),
        ("log_loss", HUMP[:5], None, None),
        ("log_loss", HUMP, 7, "blow_up"),
        ("log_loss", [], 1, "blow_up"),
        ("log_loss", [], None, None),
        ("accuracy", [0.0, 0.0, 0.02], None, "plateau"),
        ("accuracy", [0.3, 0.6, 0.8, 0.9, 0.95, 0.9], None, None),
        ("r2", [1 - score for score in HUMP], None, "oscillation"),
    ],
)
def test_a_curve_tells_its_trouble(
    metric: Metric, curve: list[float], diverged_at: int | None, expected: Trouble | None
) -> None:
    untrained = 1.0 if metric == "log_loss" else 0.0
    assert trouble(GOALS[metric], untrained, curve, diverged_at) == expected


USUAL = {"sgd": 0.1, "momentum": 0.02, "adam": 0.01, "rmsprop": 0.005, "adagrad": 0.1}
"""Rates that train well on both sets of data, within a factor of two each way."""

FAULTS: dict[Trouble | None, list[float]] = {
    "plateau": [1e-7, 1e-6, 3e-6], None: [0.5, 1, 2], "blow_up": [1e4, 1e5, 1e6],
}  # fmt: skip
"""What a training comes to if its rate, or for no trouble its usual rate's multiple, is this."""


@pytest.mark.parametrize(
    ("name", "metric"),
    [("wine", "log_loss"), ("wine", "accuracy"), ("diabetes", "rmse"), ("diabetes", "r2")],
)
def test_faults_injected_into_real_trainings_are_found(name: str, metric: Metric) -> None:
    """Precision and recall of each kind; a rate is far too small, usual, or far too large."""
    spec, data = study(name, metric=metric, budget={"epochs": 20}, rungs={"rule": "none"})
    injected = [
        (kind, Configuration(optimizer, {"learning_rate": rate if kind else rate * usual}))
        for optimizer, usual in USUAL.items()
        for kind, rates in FAULTS.items()
        for rate in rates
    ]
    results = run_wave(data, spec, described([configuration for _, configuration in injected]))
    found = Counter((kind, r.trouble) for (kind, _), r in zip(injected, results, strict=True))
    for kind in FAULTS:
        hits = found[kind, kind]
        assert hits / sum(n for (was, _), n in found.items() if was == kind) >= 0.95
        assert hits / sum(n for (_, said), n in found.items() if said == kind) >= 0.95


def test_most_borderline_rates_are_in_trouble_and_many_oscillate() -> None:
    """At a rate a little too large chance decides, so eight seeds of each are counted."""
    found: Counter[Trouble | None] = Counter()
    for name, optimizer, rate in (
        ("wine", "adam", 0.4),
        ("diabetes", "adam", 0.4),
        ("diabetes", "sgd", 0.4),
        ("diabetes", "momentum", 0.1),
    ):
        spec, data = study(name, budget={"epochs": 20}, rungs={"rule": "none"})
        slower, borderline = (
            Configuration(optimizer, {"learning_rate": each}, batch=16) for each in (rate / 8, rate)
        )
        usual = run_wave(data, spec, [WaveTrial(seed, slower, seed) for seed in range(8)])
        assert {each.trouble for each in usual} == {None}
        results = run_wave(data, spec, [WaveTrial(seed, borderline, seed) for seed in range(8)])
        found.update(each.trouble for each in results)
    assert found[None] <= 16
    assert found["oscillation"] >= 8


def test_a_stopped_training_is_in_no_trouble() -> None:
    spec, data = study("wine")
    calls = iter([*[True] * 2 * (-(-len(data.train.inputs) // 32)), False])
    slow = Configuration("sgd", {"learning_rate": 1e-7}, batch=32)
    (each,) = run_wave(data, spec, described([slow]), keep_going=lambda: next(calls))
    assert (each.outcome, each.trouble) == ("stopped", None)
    assert each.untrained == pytest.approx(1.07, abs=0.01)
