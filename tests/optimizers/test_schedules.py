"""Schedules: torch's own numbers, whatever else is in the table; warm-up before each of them."""

import re
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from optimizers.schedules import SCHEDULES, WARMUP, Schedule, factors
from tests.optimizers.drive import at
from tests.optimizers.mixed import SCHEDULES as MIXED
from tests.optimizers.schedulers import SCHEDULERS, scheduler
from tests.references.schedules import vaswani

PEAK = 0.3

every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)

FORMS: list[tuple[str, Mapping[str, float]]] = [
    ("constant", {}),
    ("linear", {"final": 0.0}),
    ("linear", {"final": 0.07}),
    ("step", {"gamma": 0.1, "drops": 2}),
    ("step", {"gamma": 0.5, "drops": 5}),
    ("step", {"gamma": 0.0, "drops": 1}),
    ("step", {"gamma": 1.0, "drops": 3}),
    ("multi_step", {"gamma": 0.2, "first": 0.3, "second": 0.6, "third": 0.8}),
    ("multi_step", {"gamma": 0.1, "first": 0.5, "second": 0.75, "third": 1.0}),
    ("multi_step", {"gamma": 0.3, "first": 0.7, "second": 0.1, "third": 0.1}),
    ("exponential", {"final": 0.01}),
    ("exponential", {"final": 1e-12}),
    ("inverse_time", {"decay": 10.0, "power": 1.0}),
    ("inverse_time", {"decay": 700.0, "power": 0.75}),
    ("inverse_sqrt", {"timescale": 0.1}),
    ("inverse_sqrt", {"timescale": 1.0}),
    ("polynomial", {"power": 1.0, "final": 0.0, "until": 1.0}),
    ("polynomial", {"power": 2.5, "final": 0.0, "until": 0.9}),
    ("polynomial", {"power": 0.5, "final": 0.0, "until": 0.5}),
    ("polynomial", {"power": 1.0, "final": 0.001, "until": 0.9}),  # AlgoPerf's for momentum
    ("cosine", {"final": 0.0}),
    ("cosine", {"final": 0.2}),
    ("rex", {"final": 0.0}),
    ("rex", {"final": 0.1}),
    ("warmup_stable_decay", {"cooldown": 0.2, "power": 1.0, "final": 0.0}),
    ("warmup_stable_decay", {"cooldown": 0.3, "power": 0.5, "final": 0.0}),
    ("warmup_stable_decay", {"cooldown": 1.0, "power": 2.0, "final": 0.1}),
    ("cosine_restarts", {"cycles": 1, "growth": 2, "final": 0.0}),
    ("cosine_restarts", {"cycles": 5, "growth": 1, "final": 0.0}),
    ("cosine_restarts", {"cycles": 2, "growth": 2, "final": 0.1}),
    ("cosine_restarts", {"cycles": 4, "growth": 2, "final": 0.0}),
    ("cosine_restarts", {"cycles": 2, "growth": 4, "final": 0.0}),
    ("one_cycle", {"rise": 0.3, "start": 0.04, "final": 4e-6}),
    ("one_cycle", {"rise": 0.25, "start": 0.1, "final": 0.01}),
    ("one_cycle", {"rise": 0.111, "start": 0.01, "final": 0.05}),
    ("slanted_triangular", {"rise": 0.1, "start": 1 / 32}),
    ("slanted_triangular", {"rise": 0.25, "start": 0.1}),
    ("cyclic", {"base": 0.25, "cycles": 3, "gamma": 1.0}),
    ("cyclic", {"base": 0.1, "cycles": 5, "gamma": 0.5}),
    ("cyclic", {"base": 0.3, "cycles": 7, "gamma": 0.8}),
    ("plateau", {"gamma": 0.1, "patience": 1, "threshold": 0.0, "cooldown": 0, "final": 0.0}),
]

FLAT: dict[str, Mapping[str, float]] = {
    "constant": {},
    "linear": {"final": 1.0},
    "step": {"gamma": 1.0, "drops": 1},
    "multi_step": {"gamma": 1.0, "first": 0.2, "second": 0.2, "third": 0.9},
    "exponential": {"final": 1.0},
    "inverse_time": {"decay": 0.0, "power": 1.0},
    "inverse_sqrt": {"timescale": 1e6},
    "polynomial": {"power": 1.0, "final": 1.0, "until": 1.0},
    "cosine": {"final": 1.0},
    "rex": {"final": 1.0},
    "warmup_stable_decay": {"cooldown": 1.0, "power": 1.0, "final": 1.0},
    "cosine_restarts": {"cycles": 3, "growth": 2, "final": 1.0},
    "one_cycle": {"rise": 0.3, "start": 1.0, "final": 1.0},
    "slanted_triangular": {"rise": 0.3, "start": 1.0},
    "cyclic": {"base": 1.0, "cycles": 3, "gamma": 0.5},
    "plateau": {"gamma": 0.1, "patience": 1, "threshold": 0.0, "cooldown": 0, "final": 0.0},
}
"""Where a schedule does nothing."""


def table(schedule: Schedule, total: int, trials: list[Mapping[str, float]]) -> Tensor:
    """Every trial's factor at every step, (steps, k)."""
    columns = {
        h.name: torch.tensor([trial[h.name] for trial in trials], dtype=torch.float64)
        for h in schedule.hyperparameters
    }
    return factors(schedule, torch.arange(total, dtype=torch.float64), total, columns)


def drawn(schedule: Schedule, shares: list[float]) -> dict[str, float]:
    """Hyperparameters at these shares of their ranges, those that are not searched at defaults."""
    return {
        h.name: at(h, share) for h, share in zip(schedule.hyperparameters, shares, strict=False)
    }


shares = st.lists(st.floats(0, 1), min_size=6, max_size=6)


def test_every_schedule_meets_torch_and_the_other_tests() -> None:
    assert {name for name, _ in FORMS} == set(SCHEDULERS) == set(FLAT) == set(MIXED)
    assert set(SCHEDULES) == set(SCHEDULERS)
    assert len(SCHEDULES) >= 16


@every_schedule
def test_a_schedule_describes_itself(schedule: Schedule) -> None:
    assert SCHEDULES[schedule.name] is schedule
    assert re.fullmatch(r"[a-z][a-z_]*", schedule.name)
    assert re.fullmatch(r"[^.]+\.", schedule.summary)
    assert schedule.formula
    assert schedule.reference
    assert schedule.hyperparameters[-1] is WARMUP
    assert len({h.name for h in schedule.hyperparameters}) == len(schedule.hyperparameters)
    for h in schedule.hyperparameters:
        assert h.meaning.endswith(".")
        assert (h.source != "") == h.searched
        assert h.scale != "log" or h.low is None or h.low > 0
        for value in (h.default, h.low, h.high):
            assert value is None or h.check(schedule.name, value) == value
        if h.low is not None and h.high is not None:
            assert h.low < h.high
            # Samplers cannot reach a zero in the logarithm; studies try its nearest neighbour.
            assert h.low <= h.default <= h.high or (h.scale == "log" and h.default == 0)


@pytest.mark.parametrize(
    ("total", "warmup"), [(60, 0.0), (80, 0.25), (61, 1 / 61), (100, 0.4)], ids=str
)
@pytest.mark.parametrize(("name", "form"), FORMS, ids=str)
def test_the_closed_form_is_torchs(
    name: str, form: Mapping[str, float], total: int, warmup: float
) -> None:
    """60 steps are left after every warm-up, so that drops fall on whole steps, as torch's do."""
    trial = {**form, "warmup": warmup}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], PEAK)
    theirs = scheduler(name, trial, optimizer, total)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    ours = table(SCHEDULES[name], total, [trial])[:, 0] * PEAK
    wanted = torch.tensor(rates, dtype=torch.float64)
    assert float((ours - wanted).abs().max()) <= 1e-12 * PEAK


@pytest.mark.parametrize("name", SCHEDULES)
def test_ten_thousand_steps_are_torchs(name: str) -> None:
    form = next(form for other, form in reversed(FORMS) if other == name)
    total = 60 * 168  # divides like the sixty above
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], PEAK)
    theirs = scheduler(name, {**form, "warmup": 0.0}, optimizer, total)
    wanted = torch.empty(total, dtype=torch.float64)
    for step in range(total):
        wanted[step] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        theirs.step()
    ours = table(SCHEDULES[name], total, [{**form, "warmup": 0.0}])[:, 0] * PEAK
    assert float((ours - wanted).abs().max()) <= 1e-12 * PEAK


@every_schedule
@settings(max_examples=50, deadline=None)
@given(data=st.data(), total=st.integers(1, 400))
def test_a_mixed_table_is_its_columns_one_by_one(
    schedule: Schedule, data: st.DataObject, total: int
) -> None:
    trials = [drawn(schedule, data.draw(shares)) for _ in range(5)]
    together = table(schedule, total, [*trials])
    assert together.dtype == torch.float64
    for column, trial in enumerate(trials):
        assert torch.equal(together[:, [column]], table(schedule, total, [trial]))


@every_schedule
@settings(max_examples=50, deadline=None)
@given(drawn_shares=shares, total=st.integers(2, 400), data=st.data())
def test_a_part_of_the_steps_is_that_part_of_the_table(
    schedule: Schedule, drawn_shares: list[float], total: int, data: st.DataObject
) -> None:
    trial = drawn(schedule, drawn_shares)
    cut = data.draw(st.integers(1, total - 1))
    columns = {name: torch.tensor([value], dtype=torch.float64) for name, value in trial.items()}
    steps = torch.arange(total, dtype=torch.float64)
    parts = [factors(schedule, part, total, columns) for part in (steps[:cut], steps[cut:])]
    assert torch.equal(torch.cat(parts), table(schedule, total, [trial]))


@every_schedule
@settings(max_examples=100, deadline=None)
@given(drawn_shares=shares, total=st.integers(1, 2000), warmup=st.floats(0, 0.999))
def test_factors_are_above_zero_and_at_most_one(
    schedule: Schedule, drawn_shares: list[float], total: int, warmup: float
) -> None:
    trial = drawn(schedule, drawn_shares) | {"warmup": warmup}
    factor = table(schedule, total, [trial])[:, 0]
    warm = int(warmup * total + 1e-9)
    assert factor.min() > 0
    assert factor.max() <= 1
    if warm < total:
        # Warm-up rises in a straight line to where the schedule begins.
        rising = torch.arange(1, warm + 1).double() / warm * factor[warm]
        assert torch.equal(factor[:warm], rising)
    if schedule.monotone:
        assert factor.max() == 1
        assert warm == total or factor[warm] == 1
        assert (factor[warm:].diff() <= 1e-15).all()


@every_schedule
def test_defaults_rise_again_where_a_schedule_is_not_monotone(schedule: Schedule) -> None:
    trial = {h.name: h.default for h in schedule.hyperparameters}
    factor = table(schedule, 600, [trial])[:, 0]
    assert bool((factor.diff() > 1e-3).any()) == (not schedule.monotone)
    assert factor.max() > 0.99


@pytest.mark.parametrize(("share", "total", "warm"), [(0.29, 100, 29), (0.1, 30, 3), (0.2, 7, 1)])
def test_warm_up_lasts_the_whole_steps_of_its_share(share: float, total: int, warm: int) -> None:
    factor = table(SCHEDULES["linear"], total, [{"final": 0.0, "warmup": share}])[:, 0]
    assert int(factor.argmax()) == warm - 1
    assert factor[warm - 1] == factor[warm] == 1


@every_schedule
def test_without_drops_or_decay_a_schedule_is_constant(schedule: Schedule) -> None:
    trial = {**FLAT[schedule.name], "warmup": 0.0}
    flat = table(schedule, 50, [trial])
    assert torch.allclose(flat, torch.ones(50, 1, dtype=torch.float64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rise", [0.0, 0.05, 0.1, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("total", [1, 2, 3, 10, 20])
@pytest.mark.parametrize("name", ["one_cycle", "slanted_triangular"])
def test_a_peak_before_the_first_or_after_the_last_step_is_no_trouble(
    name: str, total: int, rise: float
) -> None:
    trial = {"rise": rise, "start": 0.1, "final": 0.01, "warmup": 0.0}
    factor = table(SCHEDULES[name], total, [trial])
    assert factor.isfinite().all()
    assert factor.min() >= 0.01 - 1e-15
    assert factor.max() <= 1


@pytest.mark.parametrize(
    ("cycles", "growth"), [(1, 1), (1, 10), (2, 1), (2, 2), (2, 10), (5, 1), (5, 2), (20, 1)]
)
def test_the_last_restart_ends_with_the_training(cycles: int, growth: int) -> None:
    trial = {"cycles": cycles, "growth": growth, "final": 0.0, "warmup": 0.0}
    factor = table(SCHEDULES["cosine_restarts"], 5000, [trial])[:, 0]
    assert factor[0] == 1
    assert 0 < factor[-1] < 1e-3
    assert int((factor.diff() > 0.1).sum()) == cycles - 1


def test_restarts_shorter_than_a_step_are_no_trouble() -> None:
    trial = {"cycles": 20, "growth": 10, "final": 0.0, "warmup": 0.0}
    factor = table(SCHEDULES["cosine_restarts"], 5000, [trial])[:, 0]
    assert factor.isfinite().all()
    assert factor.min() > 0
    assert factor.max() <= 1


def test_a_time_scale_as_long_as_the_warm_up_is_the_transformers() -> None:
    """One step later, for the peak is held for two steps before every schedule."""
    warm, total = 40, 1000
    trial = {"timescale": warm / (total - warm), "warmup": warm / total}
    factor = table(SCHEDULES["inverse_sqrt"], total, [trial])[:, 0]
    wanted = [vaswani(step, warm) for step in range(1, total)]
    assert factor[:warm].tolist() == pytest.approx(wanted[:warm], rel=1e-12)
    assert factor[warm:].tolist() == pytest.approx(wanted[warm - 1 :], rel=1e-12)
