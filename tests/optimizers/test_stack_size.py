"""The number of trials trained together is measured, and changes nothing but the time."""

from dataclasses import replace

import pytest
import torch

from optimizers import stack_size as module
from optimizers.configuration import Configuration
from optimizers.memory import estimate_bytes
from optimizers.models.mlp import MLP
from optimizers.objectives import CrossEntropy, SquaredError
from optimizers.problem import Examples
from optimizers.stack_size import LARGEST, SMALLEST, WORTH_MEASURING, stack_size
from optimizers.training import train
from tests.optimizers.mixed import mixed
from tests.optimizers.peer import digits

PROBLEM = MLP(64, 10, CrossEntropy(), (8,))
TRAINING = digits(slice(0, 200), torch.float32)
VALIDATION = digits(slice(1000, 1050), torch.float32)


@pytest.fixture(autouse=True)
def _nothing_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_measured", {})


def size(trials: int, batch: int = 32) -> int:
    return stack_size(PROBLEM, TRAINING, batch, trials, torch.float32)


@pytest.mark.parametrize(
    ("seconds", "best", "asked"),
    [
        ({16: 3, 32: 2, 64: 1, 128: 2}, 64, [16, 32, 64, 128]),
        ({16: 1, 32: 2}, 16, [16, 32]),
        ({16: 1.0, 32: 1.1, 64: 0.9, 128: 1.2}, 64, [16, 32, 64, 128]),  # a little more is chance
        ({16: 4, 32: 3, 64: 2, 128: 1, 256: 0.5}, 256, [16, 32, 64, 128, 256]),
    ],
)
def test_stacks_grow_until_larger_ones_take_longer(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], best: int, asked: list[int]
) -> None:
    seen = []

    def measure(*given: object) -> float:
        trials = given[3]
        assert isinstance(trials, int)
        seen.append(trials)
        return seconds[trials]

    monkeypatch.setattr(module, "_seconds_a_trial", measure)
    assert size(1000) == best
    assert seen == asked
    assert size(2000) == best
    assert size(40) == min(best, 40)
    assert seen == asked  # once is enough


def test_few_trials_stay_together_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(module, "_measure")
    assert [size(trials) for trials in (1, 7, WORTH_MEASURING)] == [1, 7, WORTH_MEASURING]


@pytest.mark.parametrize("batch", [1, 32, 200])
def test_a_real_measurement_finds_a_size(batch: int) -> None:
    assert SMALLEST <= size(1000, batch) <= LARGEST["cpu"]


def test_the_measured_size_changes_no_bit() -> None:
    trials = mixed(64)
    assert len(trials) > WORTH_MEASURING
    found, wanted = (
        [
            replace(outcome, seconds=0.0)
            for outcome in train(PROBLEM, TRAINING, VALIDATION, trials, epochs=2, stack_trials=size)
        ]
        for size in (None, 5)
    )
    assert found == wanted


def test_rows_that_tell_nothing_of_the_loss_are_measured_all_the_same() -> None:
    """The first target is foretold before any step: next to its loss every other is a blow-up."""
    problem = MLP(2, 1, SquaredError())
    inputs = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    inputs[0] = 0
    targets = 5 + torch.arange(64.0)
    targets[0] = 0
    training = Examples(inputs, targets)
    trials = [Configuration("adam", {"learning_rate": 1e-6})] * 100
    for outcome in train(problem, training, training, trials, epochs=2):
        assert outcome.diverged_at is None
    assert estimate_bytes(problem, training, training, trials, epochs=2) > 0
    overflowing = Examples(inputs, torch.full((64,), 1e30))
    assert SMALLEST <= stack_size(problem, overflowing, 1, 1000, torch.float32) <= LARGEST["cpu"]
