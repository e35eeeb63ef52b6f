"""Memory: counted tensor by tensor, and as the operating system sees it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from math import prod
from typing import Any

import pytest
import torch
from torch import nn

from optimizers.configuration import Configuration
from optimizers.errors import InvalidProblem, UnknownName
from optimizers.layout import Layout
from optimizers.memory import Tally, estimate_bytes, state_bytes
from optimizers.models.cnn import CNN
from optimizers.models.mlp import MLP
from optimizers.models.module import StackedModule
from optimizers.models.text import EmbeddingBag
from optimizers.models.transformer import Transformer
from optimizers.objectives import CrossEntropy
from optimizers.problem import Examples, Problem
from optimizers.registry import CLASSIC, RULES
from optimizers.training import train
from service.processes import WORKER_ENVIRONMENT
from tests.optimizers.drive import arrive

TABLE = Examples(torch.rand(640, 64), torch.arange(640) % 10)
HELD_OUT = TABLE.first(200)


def paper(trials: list[Configuration], hidden: int, batch: int) -> int:
    """Weights, gradients, states and activations of an MLP 64-hidden-10 in single precision."""
    shapes = MLP(64, 10, CrossEntropy(), [hidden]).shapes.values()
    buffers = sum(2 + len(RULES[trial.optimizer].state) for trial in trials)
    numbers = buffers * sum(prod(shape) for shape in shapes)
    return 4 * (numbers + len(trials) * batch * (hidden + 10))


def counted(problem: Problem, trials: list[Configuration], data: Examples, **more: Any) -> int:
    tally = Tally()
    with tally:
        train(problem, data, data.first(200), trials, epochs=2, stack_trials=1000, **more)
    return tally.peak


def mixed(count: int, names: tuple[str, ...] = CLASSIC, batch: int = 64) -> list[Configuration]:
    return [Configuration(names[i % len(names)], batch=batch) for i in range(count)]


@pytest.mark.parametrize("names", [("sgd",), ("adam",), CLASSIC])
def test_a_stack_holds_at_most_half_as_much_again_as_on_paper(names: tuple[str, ...]) -> None:
    trials = mixed(200, names)
    on_paper = paper(trials, 128, 64)
    peak = counted(MLP(64, 10, CrossEntropy(), [128]), trials, TABLE)
    assert on_paper <= peak <= 1.5 * on_paper


def test_the_operating_system_sees_no_more_than_that() -> None:
    trials, on_paper = mixed(200), paper(mixed(200), 128, 64)
    grown = seen_by_linux(
        f"train(problem, TABLE, HELD_OUT, mixed({len(trials)}), epochs=2, stack_trials=1000)"
    )
    assert 0.5 * on_paper < grown <= 1.5 * on_paper


def test_many_short_steps_do_not_cut_the_heap_to_pieces() -> None:
    # A leak of one tensor a step would be 400 MB.
    grown = seen_by_linux(
        "train(problem, TABLE, HELD_OUT, mixed(16, ('adagrad',), batch=1), epochs=1)", settings={}
    )
    assert grown < 40e6


def seen_by_linux(training: str, settings: Mapping[str, object] = WORKER_ENVIRONMENT) -> int:
    """Bytes by which a training raises the peak of a process, by default as workers are set up."""
    program = f"""
import torch
from tests.optimizers.test_memory import *
torch.set_num_threads(1)
def status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
problem = MLP(64, 10, CrossEntropy(), [128])
train(problem, TABLE, HELD_OUT, mixed(7), epochs=1)  # everything is loaded
before = status("VmRSS")
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # forget the peak so far
{training}
print(status("VmHWM") - before)
"""
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {name: str(value) for name, value in settings.items()},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(found.stdout)


IMAGES = Examples(torch.rand(300, 1, 8, 8), torch.arange(300) % 3)
TEXTS = Examples(torch.randint(0, 50, (300, 12)), torch.arange(300) % 3)
PROBLEMS: dict[str, tuple[Problem, Examples]] = {
    "mlp": (MLP(64, 10, CrossEntropy(), [32, 16], "gelu", dropout=0.2, norm=True), TABLE),
    "cnn": (CNN((1, 8, 8), 3, CrossEntropy()), IMAGES),
    "text": (EmbeddingBag(50, 3, CrossEntropy()), TEXTS),
    "transformer": (Transformer(50, 12, 3, CrossEntropy(), width=16, hidden=32), TEXTS),
    "module": (
        StackedModule(
            lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), CrossEntropy()
        ),
        TABLE,
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("batch", [32, 1])
def test_the_estimate_is_what_a_training_holds(name: str, batch: int) -> None:
    problem, data = PROBLEMS[name]
    data, trials = data.first(64), mixed(40, batch=batch)
    estimate = estimate_bytes(problem, data, data, trials, epochs=2, stack_trials=1000)
    assert 0.9 * estimate <= counted(problem, trials, data) <= 1.1 * estimate


def test_every_rule_is_in_the_estimate() -> None:
    problem, trials = MLP(64, 10, CrossEntropy(), [32]), mixed(2 * len(RULES), tuple(RULES))
    estimate = estimate_bytes(problem, TABLE, TABLE, trials, epochs=2, stack_trials=1000)
    # Rules do not reach their peaks at the same step; the estimate says all may.
    assert 0.8 * estimate <= counted(problem, trials, TABLE) <= estimate


def test_trials_with_seeds_of_their_own_have_examples_of_their_own() -> None:
    problem, trials = MLP(64, 10, CrossEntropy(), [8]), mixed(30)
    shared, own = (
        estimate_bytes(problem, TABLE, HELD_OUT, trials, epochs=2, stack_trials=30, seeds=seeds)
        for seeds in (0, range(30))
    )
    assert own - shared > 25 * TABLE.inputs.nbytes
    assert 0.9 * own <= counted(problem, trials, TABLE, seeds=range(30)) <= 1.1 * own


def test_those_who_leave_cost_no_memory() -> None:
    problem = MLP(64, 10, CrossEntropy(), [32])
    leaving = [Configuration("adam", {"learning_rate": 1e6})] * 20
    staying = [Configuration("adam")] * 60
    estimate = estimate_bytes(problem, TABLE, TABLE, staying + leaving, epochs=2, stack_trials=80)
    assert counted(problem, staying + leaving, TABLE) <= 1.05 * estimate


def test_the_largest_stack_counts() -> None:
    problem, trials = MLP(64, 10, CrossEntropy(), [128]), mixed(400)
    whole, halves = (
        estimate_bytes(problem, TABLE, TABLE, trials, epochs=2, stack_trials=size)
        for size in (400, 200)
    )
    assert 1.5 * halves < whole < 2 * halves


def test_what_cannot_be_trained_has_no_estimate() -> None:
    with pytest.raises(InvalidProblem, match="configurations"):
        estimate_bytes(MLP(64, 10, CrossEntropy()), TABLE, TABLE, [], epochs=2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_rule_remembers_as_much_as_is_said(dtype: torch.dtype) -> None:
    problem = MLP(20, 3, CrossEntropy(), [12])
    layout = Layout(problem.shapes)
    weights = torch.randn(1, layout.size, dtype=dtype)
    for numbers, name in enumerate(("sgd", "momentum", "adam", "amsgrad")):
        assert state_bytes(name, problem.shapes, dtype) == numbers * weights.nbytes
    for rule in RULES.values():
        defaults = Configuration(rule.name).hyperparameters
        _, state = arrive(rule, [defaults], weights, lambda _, at: at, 12, layout)
        held = sum(tensor.nbytes for tensor in state.values())
        assert state_bytes(rule.name, problem.shapes, dtype) == held, rule.name


def test_an_unknown_rule_remembers_nothing() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'adam'"):
        state_bytes("adamm", {"weight": (2,)})
