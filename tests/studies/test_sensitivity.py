import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, create_trial

from optimizers.configuration import Configuration
from studies.run import STATES
from studies.sensitivity import FEWEST_TRIALS, MOST_POINTS, Sensitivity, sensitivities
from studies.space import Space
from studies.spec import StudySpec
from tests.studies.pretend import resolved

SPEC = resolved(
    space={
        "optimizers": ["adam", "momentum"],
        "schedules": ["constant", "linear"],
        "learning_rate": {"low": 1e-5, "high": 1},
    }
)
SPACE = Space(SPEC)
UNTRAINED = 2.0
Vector = NDArray[np.float64]


def trial(
    number: int,
    rate: float,
    value: float | None = None,
    outcome: str = "completed",
    configuration: Configuration | None = None,
    untrained: float = UNTRAINED,
) -> FrozenTrial:
    chosen = configuration or Configuration("adam", {"learning_rate": rate}, batch=32)
    params = SPACE.params(chosen)
    attributes: dict[str, Any] = {"outcome": outcome, "metrics": {"log_loss": value}}
    made = create_trial(
        state=STATES[outcome],
        value=value if outcome == "completed" else None,
        params=params,
        distributions=SPACE.distributions(params),
        user_attrs=attributes | {"untrained": untrained},
    )
    made.number = number
    return made


def said(trials: Sequence[FrozenTrial], spec: StudySpec = SPEC) -> Sensitivity:
    """Of adam, and always JSON without NaN or infinity."""
    found = sensitivities(spec, trials)["adam"]
    json.dumps(found.model_dump(), allow_nan=False)
    return found


def bowl(x: Vector) -> Vector:
    return 0.3 * x**2


def cliff(x: Vector) -> Vector:
    return np.where(x < 0, 0.1, 3.0) * x**2


def trough(x: Vector) -> Vector:
    return 0.5 * np.maximum(np.abs(x) - 0.5, 0) ** 2


LANDSCAPES: dict[Callable[[Vector], Vector], dict[float, float]] = {
    bowl: {t: 2 * math.sqrt(t / 0.3) for t in FEWEST_TRIALS},
    cliff: {t: math.sqrt(t / 0.1) + math.sqrt(t / 3) for t in FEWEST_TRIALS},
    trough: {t: 1 + 2 * math.sqrt(t / 0.5) for t in FEWEST_TRIALS},
}
"""Score above the best by decades from the best rate, untrained at 1, and how wide it is."""


def drawn(
    landscape: Callable[[Vector], Vector], n: int, seed: int, spread: float
) -> list[FrozenTrial]:
    """Rates all over the range; other choices cost each trial something, `spread` on average."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-5, 0, n)
    above = landscape(x - rng.uniform(-3, -1.5)) + rng.exponential(spread, n)
    above += rng.normal(0, 0.003, n)  # of batches and weights
    values = np.minimum(above, 1) * 1.9 + 0.1
    return [trial(i, 10 ** x[i], values[i]) for i in range(n)]


@pytest.mark.parametrize("landscape", LANDSCAPES)
@pytest.mark.parametrize(
    ("n", "spread", "shares"),
    [
        (15, 0.02, {0.05: (0.6, 1.1)}),
        (30, 0.02, {0.05: (0.75, 1.1), 0.01: (0.55, 1.1)}),
        (100, 0.02, {0.05: (0.85, 1.1), 0.01: (0.7, 1.1)}),
        (15, 0.1, {0.05: (0.5, 1.1)}),
        (30, 0.1, {0.05: (0.65, 1.1), 0.01: (0.35, 1.1)}),
        (100, 0.1, {0.05: (0.8, 1.1), 0.01: (0.5, 1.1)}),
    ],
)
def test_widths_are_recovered_and_rather_too_small_than_too_large(
    landscape: Callable[[Vector], Vector],
    n: int,
    spread: float,
    shares: dict[float, tuple[float, float]],
) -> None:
    """The median over 20 studies, as a share of the true width."""
    found = [said(drawn(landscape, n, seed, spread)) for seed in range(20)]
    for tolerance, (least, most) in shares.items():
        bands = [
            one.within_1_percent if tolerance == 0.01 else one.within_5_percent for one in found
        ]
        widths = [band.decades for band in bands if band]
        assert len(widths) == 20
        share = np.median(widths) / LANDSCAPES[landscape][tolerance]
        assert least <= share <= most


@pytest.mark.parametrize(("n", "least"), [(30, 0.5), (100, 0.7)])
def test_useless_rates_around_a_narrow_valley_do_not_widen_it(n: int, least: float) -> None:
    """A fifth of a decade, where trials are a sixth and a twentieth of a decade apart."""
    widths = []
    for seed in range(20):
        band = said(drawn(lambda x: 5 * x**2, n, seed, 0.02)).within_5_percent
        widths += [band.decades] if band else []
    assert least <= np.median(widths) / 0.2 <= 1.1


@pytest.mark.parametrize("metric", ["log_loss", "accuracy", "r2"])
@pytest.mark.parametrize("best", [0.0, 1e-6, 0.9])
def test_a_band_is_a_share_of_the_way_from_untrained(metric: str, best: float) -> None:
    """So near 0, for accuracy and for r2 it is as wide as for any loss."""
    x = np.linspace(-5, 0, 501)
    cost = np.minimum((x + 3) ** 2, 1)
    sign = 1 if metric == "log_loss" else -1
    values = sign * (best + cost * (1 - best))
    trials = [trial(i, 10 ** x[i], values[i], untrained=sign * 1.0) for i in range(501)]
    found = said(trials, SPEC.model_copy(update={"metric": metric}))
    assert found.within_5_percent is not None
    assert found.within_1_percent is not None
    assert found.learning_rate == pytest.approx(1e-3)
    assert found.within_5_percent.decades == pytest.approx(2 * math.sqrt(0.05), rel=0.01)
    assert found.within_1_percent.decades == pytest.approx(0.2, rel=0.01)
    assert found.zones.too_small_below == found.within_5_percent.low < 1e-3
    assert found.zones.too_large_above == found.within_5_percent.high > 1e-3


def test_what_no_trial_has_shown_stays_open() -> None:
    falling = [trial(i, 10 ** (-5 + i / 4), 1.9 - i / 20) for i in range(21)]
    band = said(falling).within_5_percent
    assert band is not None
    assert (band.open_below, band.open_above) == (False, True)
    assert said(falling).zones.too_large_above is None
    assert said(falling).zones.too_small_below == band.low


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [trial(i, 10 ** (-5 + i / 2), 1.0 + i / 20) for i in range(9)],
        [trial(i, 10 ** (-5 + i / 4), 3.0) for i in range(20)],  # none better than untrained
        [trial(i, 10 ** (-5 + i / 4), outcome="stopped") for i in range(20)],
        [trial(i, 10 ** (-5 + i / 4), outcome="diverged") for i in range(20)],
    ],
)
def test_with_nothing_to_go_by_nothing_is_said(trials: list[FrozenTrial]) -> None:
    found = said(trials)
    assert (found.within_1_percent, found.within_5_percent) == (None, None)
    assert found.diverges_above is None
    assert len(found.points) == len(trials)


@pytest.mark.parametrize("n", [15, 30, 100])
def test_the_rate_at_which_half_the_trials_diverge_is_found(n: int) -> None:
    """Within a third of a decade in most studies with few trials, a sixth with many."""
    errors = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.uniform(-5, 0, n)
        diverged = rng.random(n) < 1 / (1 + np.exp(-6 * (x + 1.5)))
        trials = [
            trial(
                i, 10 ** x[i], 1.0, "diverged" if diverged[i] else ("completed", "dropped")[i % 2]
            )
            for i in range(n)
        ]
        edge = said(trials).diverges_above
        assert edge is not None
        errors.append(abs(math.log10(edge) + 1.5))
    assert np.median(errors) < (0.33 if n < 100 else 0.17)


def test_divergence_that_the_rate_does_not_decide_has_no_edge() -> None:
    by_lot = [
        trial(i, 10 ** (-5 + i / 6), 1.0, "diverged" if i % 4 == 0 else "completed")
        for i in range(30)
    ]
    assert said(by_lot).diverges_above is None
    backwards = [
        trial(i, 10 ** (-5 + i / 6), 1.0, "diverged" if i < 10 else "completed") for i in range(30)
    ]
    assert said(backwards).diverges_above is None


def test_stopped_trials_count_for_nothing() -> None:
    trials = [
        trial(i, 10 ** (-5 + i / 6), 1.0, "diverged" if i > 20 else "completed") for i in range(30)
    ]
    more = [trial(30 + i, 10 ** (-i / 9), outcome="stopped") for i in range(9)]
    assert said(trials).diverges_above == said([*trials, *more]).diverges_above
    assert 10 ** (-5 + 20 / 6) < (said(trials).diverges_above or 0) < 10 ** (-5 + 21 / 6)


def test_a_best_trial_at_a_border_asks_for_a_wider_range() -> None:
    at_ends = Configuration(
        "adam",
        {"learning_rate": 0.7, "beta1": 0.55, "beta2": 0.99985},
        "linear",
        {"final": 1.5e-4},
        32,
    )
    assert said([trial(0, 0.7, 1.0, configuration=at_ends)]).borders == [
        f"{name} of the best trial, {value}, lies at the {end} end of its range, {ends}: widen it."
        for name, value, end, ends in (
            ("adam.learning_rate", 0.7, "upper", "1e-05 to 1"),
            ("adam.beta1", 0.55, "lower", "0.5 to 0.98"),
            ("adam.beta2", 0.9999, "upper", "0.9 to 0.9999"),
            ("linear.final", 0.00015, "lower", "0.0001 to 0.1"),
        )
    ]
    assert said([trial(0, 1e-3, 1.0)]).borders == []  # no warm-up, but less is not possible


def test_points_are_sorted_thinned_and_keep_the_best() -> None:
    trials = drawn(bowl, 999, 0, 0.1)
    found = said(trials)
    rates = [point.learning_rate for point in found.points]
    assert rates == sorted(rates)
    assert MOST_POINTS - 5 <= len(rates) <= MOST_POINTS + 1
    assert found.learning_rate in rates
    few = said(
        [trial(0, 0.1, 0.5), trial(1, 0.2, 1.5, "dropped"), trial(2, 0.9, outcome="diverged")]
    )
    assert [(p.number, p.score, p.outcome) for p in few.points] == [
        (0, 0.5, "completed"), (1, 1.5, "dropped"), (2, None, "diverged"),
    ]  # fmt: skip
