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
from tests.optimizers.peer import scheduler

PEAK = 0.3

every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)

FORMS: list[tuple[str, Mapping[str, float]]] = [
    ("constant", {}),
    ("linear", {"final": 0.0}),
    ("linear", {"final": 0.07}),
    ("step", {"gamma": 0.1, "drops": 2.0}),
    ("step", {"gamma": 0.5, "drops": 5.0}),
    ("step", {"gamma": 0.0, "drops": 1.0}),
    ("step", {"gamma": 1.0, "drops": 3.0}),
    ("exponential", {"final": 0.01}),
    ("exponential", {"final": 1e-12}),
    ("cosine", {"final": 0.0}),
    ("cosine", {"final": 0.2}),
]


def table(schedule: Schedule, total: int, trials: list[Mapping[str, float]]) -> Tensor:
    """Every trial's factor at every step, (steps, k)."""
    columns = {
        h.name: torch.tensor([trial[h.name] for trial in trials], dtype=torch.float64)
        for h in schedule.hyperparameters
    }
    return factors(schedule, torch.arange(total, dtype=torch.float64), total, columns)


def drawn(schedule: Schedule, shares: list[float]) -> dict[str, float]:
    """Hyperparameters at these shares of their ranges, ``drops`` included."""
    values = {
        h.name: at(h, share) for h, share in zip(schedule.hyperparameters, shares, strict=False)
    }
    return values | ({"drops": float(1 + int(9 * shares[-1]))} if "drops" in values else {})


shares = st.lists(st.floats(0, 1), min_size=3, max_size=3)


@every_schedule
def test_a_schedule_describes_itself(schedule: Schedule) -> None:
    assert SCHEDULES[schedule.name] is schedule
    assert re.fullmatch(r"[^.]+\.", schedule.summary)
    assert schedule.formula
    assert schedule.reference
    assert schedule.hyperparameters[-1] is WARMUP
    for h in schedule.hyperparameters:
        assert h.meaning.endswith(".")
        for value in (h.default, h.low, h.high):
            assert value is None or h.check(schedule.name, value) == value


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
def test_factors_rise_to_one_and_never_leave_the_unit_interval(
    schedule: Schedule, drawn_shares: list[float], total: int, warmup: float
) -> None:
    trial = drawn(schedule, drawn_shares) | {"warmup": warmup}
    factor = table(schedule, total, [trial])[:, 0]
    warm = int(warmup * total + 1e-9)
    assert factor.isfinite().all()
    assert factor.min() >= 0
    assert factor.max() == 1
    assert factor[0] > 0
    if warm:
        assert torch.equal(factor[:warm], torch.arange(1, warm + 1).double() / warm)
    if warm < total:
        assert factor[warm] == 1
    assert (factor[warm:].diff() <= 1e-15).all()


@pytest.mark.parametrize(("share", "total", "warm"), [(0.29, 100, 29), (0.1, 30, 3), (0.2, 7, 1)])
def test_warm_up_lasts_the_whole_steps_of_its_share(share: float, total: int, warm: int) -> None:
    factor = table(SCHEDULES["linear"], total, [{"final": 0.0, "warmup": share}])[:, 0]
    assert int(factor.argmax()) == warm - 1
    assert factor[warm - 1] == factor[warm] == 1


@every_schedule
def test_without_drops_or_decay_a_schedule_is_constant(schedule: Schedule) -> None:
    ones = {h.name: 1.0 for h in schedule.hyperparameters} | {"warmup": 0.0}
    assert torch.equal(table(schedule, 50, [ones]), torch.ones(50, 1, dtype=torch.float64))
