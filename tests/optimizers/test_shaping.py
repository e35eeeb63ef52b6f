"""Clipping, L2 and label smoothing are what a plain loop of torch does, trial by trial."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from optimizers.configuration import Configuration
from optimizers.errors import InvalidProblem
from optimizers.models.mlp import MLP
from optimizers.objectives import CrossEntropy
from optimizers.rule import Probe
from optimizers.shaping import Shaping
from optimizers.stack import Outcome
from optimizers.training import train
from tests.optimizers.mixed import mixed
from tests.optimizers.peer import batches, digits, network

TRAINING, VALIDATION = digits(slice(0, 200)), digits(slice(1000, 1100))
EPOCHS, WIDTHS = 3, (64, 12, 10)
SHAPED = [(None, 0.0), (0.1, 0.0), (None, 0.05), (0.3, 0.01)]
"""Limits and shares of L2: neither, each, both."""


def run(trials: list[Configuration], smoothing: float = 0.0, **how: Any) -> list[Outcome]:
    """Train in double precision, and forget how long it took."""
    problem = MLP(64, 10, CrossEntropy(smoothing), WIDTHS[1:-1], "tanh")
    given = {"epochs": EPOCHS, "dtype": torch.float64, **how}
    return [
        replace(outcome, seconds=0.0)
        for outcome in train(problem, TRAINING, VALIDATION, trials, **given)
    ]


def plainly(trial: Configuration, smoothing: float) -> list[float]:
    """The validation losses of the same trial in a loop of torch."""
    net = network(WIDTHS, "tanh", 0).double()
    rate = trial.hyperparameters["learning_rate"]
    optimizer: torch.optim.Optimizer
    if trial.optimizer == "adam":
        optimizer = torch.optim.Adam(net.parameters(), rate, weight_decay=trial.l2)
    else:
        optimizer = torch.optim.SGD(net.parameters(), rate, weight_decay=trial.l2)
    found = []
    for epoch in batches(0, len(TRAINING), 64, EPOCHS):
        for rows in epoch:
            optimizer.zero_grad()
            loss = F.cross_entropy(
                net(TRAINING.inputs[rows]), TRAINING.targets[rows], label_smoothing=smoothing
            )
            loss.backward()  # type: ignore[no-untyped-call]
            if trial.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(net.parameters(), trial.clip_norm)
            optimizer.step()
        with torch.no_grad():
            found.append(float(F.cross_entropy(net(VALIDATION.inputs), VALIDATION.targets)))
    return found


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_trials_of_one_stack_are_plain_loops(smoothing: float) -> None:
    trials = [
        Configuration(name, {"learning_rate": rate}, clip_norm=limit, l2=l2)
        for name, rate in (("sgd", 0.5), ("adam", 0.01))
        for limit, l2 in SHAPED
    ]
    outcomes = run(trials, smoothing)
    for trial, outcome in zip(trials, outcomes, strict=True):
        assert outcome.metrics["loss"] == pytest.approx(plainly(trial, smoothing), rel=1e-9)
    assert len({outcome.metrics["loss"][-1] for outcome in outcomes}) == len(trials)


def test_shaped_trials_leave_the_others_as_they_are() -> None:
    plain = mixed(64)
    shaped = [
        replace(trial, clip_norm=limit, l2=l2)
        for trial, (limit, l2) in zip(plain, SHAPED * len(plain), strict=False)
    ]
    together = run(shaped, dtype=torch.float32)
    assert run(shaped, dtype=torch.float32, stack_trials=1) == together
    alike = zip(shaped, together, run(plain, dtype=torch.float32), strict=True)
    for trial, one, other in alike:
        assert (one == other) == ((trial.clip_norm, trial.l2) == (None, 0.0))


def test_when_a_trial_leaves_the_others_keep_their_shaping() -> None:
    kept = Configuration("sgd", {"learning_rate": 0.5}, clip_norm=0.1, l2=0.01)
    lost = Configuration("sgd", {"learning_rate": 1e30}, l2=0.5)
    first, second = run([lost, kept])
    assert first.diverged_at is not None
    assert [second] == run([kept])


class Bowl:
    """The probe of half the squared distance from a point."""

    def gradient(self, weights: Tensor) -> Tensor:
        return weights - 3

    def hessian_product(self, weights: Tensor, direction: Tensor) -> Tensor:
        return direction.clone()


def test_probes_see_the_penalised_loss() -> None:
    trials = [Configuration("sam", l2=0.5), Configuration("sam", clip_norm=1.0)]
    weights = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    probe: Probe = Shaping.of(trials, weights).probe(Bowl())
    steep = torch.tensor([-2.0, -1.0])
    wanted = torch.stack([steep + 0.5 * weights[0], steep / (steep.norm() + 1e-6)])
    assert torch.allclose(probe.gradient(weights), wanted)
    along = torch.ones(2, 2)
    assert torch.equal(probe.hessian_product(weights, along), torch.tensor([[1.5] * 2, [1.0] * 2]))


@pytest.mark.parametrize(("limit", "l2"), SHAPED)
def test_shaping_survives_the_json_form(limit: float | None, l2: float) -> None:
    given = Configuration("sgd", clip_norm=limit, l2=l2)
    assert Configuration.from_dict(given.as_dict()) == given
    assert given.as_dict().keys() - {"optimizer", "schedule", "batch"} == {
        name for name, value in (("clip_norm", limit), ("l2", l2)) if value
    }


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), True, "1"])
def test_a_limit_is_a_length(value: Any) -> None:
    with pytest.raises(InvalidProblem, match=r"clip_norm must be None or a finite number above 0"):
        Configuration("sgd", clip_norm=value)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), None, True, "1"])
def test_a_share_of_l2_is_no_less_than_nothing(value: Any) -> None:
    with pytest.raises(InvalidProblem, match=r"l2 must be a finite number at least 0"):
        Configuration("sgd", l2=value)


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_smoothing_is_a_share(value: float) -> None:
    with pytest.raises(InvalidProblem, match="label_smoothing must be a number at least 0"):
        CrossEntropy(value)


def test_smoothing_changes_training_and_not_the_metrics() -> None:
    outputs, targets = torch.randn(3, 5, 7, dtype=torch.float64), torch.randint(5, (7,))
    plain, smooth = CrossEntropy(), CrossEntropy(0.2)
    assert smooth.metrics([(outputs, targets)])["loss"].equal(
        plain.metrics([(outputs, targets)])["loss"]
    )
    leaf, each = outputs.clone().requires_grad_(), targets.expand(3, -1)
    loss, slope = smooth.slope(outputs, each)
    assert torch.allclose(loss, smooth.loss(leaf, each), rtol=1e-12)
    (wanted,) = torch.autograd.grad(smooth.loss(leaf, each).sum(), leaf)
    assert torch.allclose(slope, wanted, rtol=1e-12, atol=1e-15)
