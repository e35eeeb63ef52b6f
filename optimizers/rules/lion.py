"""Lion: the sign of a momentum, found by a search over programs."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.rule import Coefficients, Columns, Rule, State
from optimizers.rules.common import decay, learning_rate

CHEN = "Chen et al. 2023: rates 3 to 10 times below AdamW's, decay as much above; widened"


def _lion_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {
        "blend": 1 - h["beta1"],
        "new": 1 - h["beta2"],
        "keep": 1 - h["learning_rate"] * h["weight_decay"],
        "rate": h["learning_rate"],
    }


def _lion(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean = state["mean"]
    direction = torch.lerp(mean, gradient, c.blend).sign_()
    mean.lerp_(gradient, c.new)
    weights.mul_(c.keep).addcmul_(direction, c.rate, value=-1)


LION = Rule(
    name="lion",
    summary="Moves every weight by the same amount, in the direction of a mean of the gradients "
    "that gives the newest one more say than the memory does.",
    formula="θ ← θ − η (sign(β₁ m + (1−β₁) g) + λ θ);  m ← β₂ m + (1−β₂) g",
    reference="Chen et al. 2023 (arXiv:2302.06675), algorithm 2",
    hyperparameters=(
        learning_rate(1e-4, 1e-6, 1e-2, CHEN),
        decay("beta1", 0.9, 0.8, 0.98, "Share of the memory in the step's direction."),
        decay("beta2", 0.99, 0.9, 0.999, "Share of the mean gradient kept at each step."),
        Hyperparameter(
            "weight_decay",
            0.01,
            "Share of each weight lost a step, times the learning rate.",
            low=3e-3,
            high=3.0,
            scale="log",
            source=CHEN,
        ),
    ),
    state=("mean",),
    coefficients=_lion_coefficients,
    update=_lion,
)
