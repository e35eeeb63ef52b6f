"""A user's own problem: a loss in the wrong shape is refused, not trained on."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from optimizers.errors import InvalidProblem
from optimizers.problem import ByAutograd, Weights

TRIALS, BATCH, FEATURES = 4, 6, 3


class Line(ByAutograd):
    """Linear regression whose squared errors, (K, batch), are reduced as a test asks for."""

    def __init__(self, reduce: Callable[[Tensor], Tensor]) -> None:
        self.reduce = reduce

    def loss(
        self, weights: Weights, inputs: Tensor, targets: Tensor, noise: tuple[Tensor, ...]
    ) -> Tensor:
        answers = (inputs * weights["slope"].unsqueeze(1)).sum(2)
        return self.reduce((answers - targets).square())


def gradient(reduce: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Losses and gradient of a stack."""
    weights = {"slope": torch.randn(TRIALS, FEATURES)}
    out = {"slope": torch.zeros(TRIALS, FEATURES)}
    batch = torch.randn(1, BATCH, FEATURES).expand(TRIALS, -1, -1), torch.randn(TRIALS, BATCH)
    return Line(reduce).gradient(weights, *batch, (), out), out["slope"]


def test_a_loss_a_trial_is_accepted() -> None:
    losses, slope = gradient(lambda errors: errors.mean(1))
    assert losses.shape == (TRIALS,)
    assert not losses.requires_grad
    assert slope.ne(0).all()


@pytest.mark.parametrize(
    ("reduce", "shape"),
    [
        (lambda errors: errors.mean(), "()"),
        (lambda errors: errors.mean(0), "(6,)"),
        (lambda errors: errors, "(4, 6)"),
        (lambda errors: errors.mean(1, keepdim=True), "(4, 1)"),
    ],
)
def test_any_other_shape_is_refused(reduce: Callable[[Tensor], Tensor], shape: str) -> None:
    words = f"loss must be of shape (4,): one number a trial. Got {shape}."
    with pytest.raises(InvalidProblem, match=f"^{re.escape(words)}$"):
        gradient(reduce)
