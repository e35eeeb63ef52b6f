"""The noisy quadratic: losses and gradients are autograd's, training is the closed form's."""

import math
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from optimizers.configuration import Batch, Configuration
from optimizers.errors import InvalidProblem
from optimizers.models.quadratic import NoisyQuadratic
from optimizers.problem import ByAutograd, Examples, Weights
from optimizers.training import train
from tests.optimizers.mixed import mixed

DIMENSIONS, CONDITION, NOISE, TRIALS, BATCH = 9, 1000.0, 0.3, 5, 7


class Derived(ByAutograd):
    """The same bowl, its gradient left to autograd."""

    def __init__(self, bowl: NoisyQuadratic) -> None:
        self.bowl = bowl

    def loss(
        self, weights: Weights, inputs: Tensor, targets: Tensor, noise: tuple[Tensor, ...]
    ) -> Tensor:
        return self.bowl.loss(weights, inputs, targets, noise)


def bowl(noise: float = NOISE) -> NoisyQuadratic:
    return NoisyQuadratic(DIMENSIONS, CONDITION, noise)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def sgd(learning_rate: float, batch: Batch) -> Configuration:
    return Configuration("sgd", {"learning_rate": learning_rate}, batch=batch)


@pytest.mark.parametrize("condition", [1.0, 10.0, 1e6])
@pytest.mark.parametrize("dimensions", [2, 3, 50])
def test_eigenvalues_fall_in_equal_ratios_from_one(dimensions: int, condition: float) -> None:
    found = NoisyQuadratic(dimensions, condition, 0.0).eigenvalues
    ratio = condition ** (-1 / (dimensions - 1))
    wanted = [ratio**place for place in range(dimensions)]
    assert found.tolist() == pytest.approx(wanted, rel=1e-12)
    assert (found[0] / found[-1]).item() == pytest.approx(condition, rel=1e-12)


@pytest.mark.parametrize("shared", [True, False], ids=["shared centres", "centres per trial"])
def test_loss_and_gradient_are_the_formulas_and_autograds(shared: bool) -> None:
    problem = bowl()
    weights = {"point": drawn(TRIALS, DIMENSIONS)}
    centres = drawn(1 if shared else TRIALS, BATCH, DIMENSIONS).expand(TRIALS, -1, -1)
    batch = centres, torch.zeros(TRIALS, BATCH)
    found, wanted = ({"point": torch.full_like(weights["point"], torch.nan)} for _ in range(2))

    losses = problem.gradient(weights, *batch, (), found)
    derived = Derived(problem).gradient(weights, *batch, (), wanted)

    torch.testing.assert_close(losses, derived, rtol=1e-14, atol=0)
    torch.testing.assert_close(found["point"], wanted["point"], rtol=1e-12, atol=1e-15)
    for trial, point in enumerate(weights["point"]):
        by_hand = sum(
            0.5 * float(h) * float(x - NOISE * e) ** 2
            for centre in centres[trial]
            for h, x, e in zip(problem.eigenvalues, point, centre, strict=True)
        )
        assert losses[trial].item() == pytest.approx(by_hand / BATCH, rel=1e-12)


def test_evaluation_is_the_expectation_whatever_the_examples() -> None:
    problem = bowl()
    weights = {"point": drawn(TRIALS, DIMENSIONS)}
    many = problem.examples(200_000, seed=1)
    found = problem.evaluate(weights, problem.examples(1, seed=5))
    other = problem.evaluate(weights, many)
    assert torch.equal(found["loss"], other["loss"])
    excess = 0.5 * (problem.eigenvalues * weights["point"] ** 2).sum(1)
    floor = 0.5 * NOISE**2 * problem.eigenvalues.sum()
    torch.testing.assert_close(found["excess"], excess)
    torch.testing.assert_close(found["loss"], excess + floor)
    for trial in range(TRIALS):
        one = {"point": weights["point"][trial : trial + 1]}
        mean = problem.loss(one, many.inputs[None], many.targets[None], ())
        assert mean.item() == pytest.approx(found["loss"][trial].item(), rel=0.01)


def test_the_gradients_covariance_is_as_stated() -> None:
    """noise² H² / batch, over many batches; 40,000 draws know it to 2 %."""
    problem, batches = bowl(), 40_000
    centres = problem.examples(batches * BATCH, seed=2).inputs.view(batches, BATCH, -1)
    weights = {"point": torch.zeros(batches, DIMENSIONS, dtype=torch.float64)}
    out = {"point": torch.empty_like(weights["point"])}
    problem.gradient(weights, centres, torch.zeros(batches, BATCH), (), out)
    scaled = out["point"] / problem.eigenvalues * math.sqrt(BATCH) / NOISE
    torch.testing.assert_close(
        torch.cov(scaled.T), torch.eye(DIMENSIONS).double(), rtol=0, atol=0.03
    )


def test_without_noise_descent_is_its_closed_form() -> None:
    problem = bowl(noise=0.0)
    examples = problem.examples(8, seed=0)
    (outcome,) = train(problem, examples, examples, [sgd(1.5, 2)], epochs=6, dtype=torch.float64)
    start = problem.initial(torch.Generator().manual_seed(0))["point"].double()
    h = problem.eigenvalues
    for epoch, excess in enumerate(outcome.metrics["excess"], 1):
        point = start * (1 - 1.5 * h) ** (4 * epoch)
        assert excess == pytest.approx((h * point**2 / 2).sum().item(), rel=1e-10)


@pytest.mark.parametrize("batch", ["single", 16, "full"])
def test_gradient_descent_converges_below_its_largest_rate_and_diverges_above(batch: Batch) -> None:
    problem = NoisyQuadratic(DIMENSIONS, 20.0, 0.03)
    examples = problem.examples(64, seed=0)
    trials = [sgd(rate, batch) for rate in (0.5, 1.9, 2.1, 3.0)]
    steps = -(-64 // trials[0].batch_size(64))
    outcomes = train(problem, examples, examples, trials, epochs=320 // steps)
    for outcome in outcomes[:2]:
        assert outcome.diverged_at is None
        assert outcome.metrics["excess"][-1] < 0.02 * outcome.untrained["excess"]
    slow, fast = (outcome.diverged_at for outcome in outcomes[2:])
    assert slow is not None
    assert fast is not None
    assert fast < slow


def test_noise_keeps_the_point_as_far_away_as_theory_says() -> None:
    """At a constant rate η, E[xᵢ²] settles at noise² η hᵢ / (batch (2 - η hᵢ))."""
    dimensions, noise = 400, 0.7  # with equal curvature: as many independent draws of x
    problem = NoisyQuadratic(dimensions, 1.0, noise)
    examples = problem.examples(120, seed=0)
    trials = [sgd(rate, batch) for rate in (0.2, 0.8, 1.5) for batch in ("single", 4)]
    outcomes = train(problem, examples, examples, trials, epochs=4, dtype=torch.float64)
    for trial, outcome in zip(trials, outcomes, strict=True):
        rate = trial.hyperparameters["learning_rate"]
        wanted = noise**2 * rate / (trial.batch_size(120) * (2 - rate))
        found = 2 * outcome.metrics["excess"][-1] / dimensions
        assert found == pytest.approx(wanted, rel=0.25)  # 3.5 standard deviations


@pytest.mark.parametrize("optimizer", ["nesterov", "adam", "rmsprop", "sophia", "lion"])
def test_other_rules_get_down_too(optimizer: str) -> None:
    problem = NoisyQuadratic(DIMENSIONS, 20.0, 0.1)
    examples = problem.examples(64, seed=0)
    trial = Configuration(optimizer, {"learning_rate": 0.03}, "cosine", batch=8)
    (outcome,) = train(problem, examples, examples, [trial], epochs=40)
    assert outcome.metrics["excess"][-1] < 0.05 * outcome.untrained["excess"]


@pytest.mark.parametrize("batch", ["full", "single", 8], ids=str)
def test_a_trial_is_itself_in_any_stack(batch: Batch) -> None:
    """Bit for bit: sums go over a trial's own numbers."""
    problem = NoisyQuadratic(33, 100.0, 0.3)
    examples = problem.examples(20, seed=0)
    trials = mixed(batch, ("sgd", "adam", "sam", "sophia", "lars"))
    seeds = [trial % 3 for trial in range(len(trials))]

    def run(stack_trials: int) -> list[object]:
        outcomes = train(
            problem, examples, examples, trials, epochs=2, seeds=seeds, stack_trials=stack_trials
        )
        return [replace(outcome, seconds=0.0) for outcome in outcomes]

    assert run(1) == run(3) == run(64)


def test_draws_follow_their_seeds() -> None:
    problem = bowl()
    one, again, other = (problem.examples(10, seed) for seed in (3, 3, 4))
    assert torch.equal(one.inputs, again.inputs)
    assert not torch.equal(one.inputs, other.inputs)
    start = problem.initial(torch.Generator().manual_seed(3))["point"]
    assert start.shape == (DIMENSIONS,)
    assert torch.equal(start, problem.initial(torch.Generator().manual_seed(3))["point"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: NoisyQuadratic(1, 10, 0), "dimensions must be a whole number at least 2. Got 1."),
        (lambda: NoisyQuadratic(3, 0.5, 0), "condition must be a finite number at least 1"),
        (lambda: NoisyQuadratic(3, math.inf, 0), "condition must be a finite number at least 1"),
        (lambda: NoisyQuadratic(3, 10, -1), "noise must be a finite number at least 0. Got -1."),
        (lambda: NoisyQuadratic(3, 10, math.nan), "noise must be a finite number at least 0"),
        (lambda: bowl().examples(0, seed=0), "rows must be a whole number at least 1. Got 0."),
        (
            lambda: bowl().check(Examples(torch.zeros(4, 3), torch.zeros(4))),
            "inputs must be of shape (rows, 9). Got (4, 3).",
        ),
        (
            lambda: bowl().check(Examples(torch.zeros(4, 9, dtype=torch.int64), torch.zeros(4))),
            "inputs must be floating numbers. Got torch.int64.",
        ),
    ],
)
def test_what_makes_no_bowl_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(InvalidProblem, match=f"^{re.escape(words)}"):
        make()
