"""Rules that fit each tensor's step to its norm: for large batches, and for layers unlike."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.layout import Layout
from optimizers.rule import Coefficients, Columns, Rule, State, power, square_root
from optimizers.rules.common import (
    BETA1,
    BETA2,
    EPSILON,
    WEIGHT_DECAY,
    decay,
    fixed,
    learning_rate,
)


def scale(flat: Tensor, factors: Tensor, layout: Layout) -> Tensor:
    """Multiply every tensor by a number of its own, in place: (k, P) by (k, tensors).

    Tensor by tensor, which costs less than spreading the numbers over a row.
    """
    for part, factor in zip(
        layout.by_name(flat).values(), torch.split(factors, 1, dim=1), strict=True
    ):
        part.view(len(flat), -1).mul_(factor)
    return flat


def _trust(weights: Tensor, step: Tensor) -> Tensor:
    """Ratio of two norms a tensor; 1 where either is zero, so that zero weights can move."""
    return torch.where((weights == 0) | (step == 0), 1.0, weights / step)


def _lamb_coefficients(t: Tensor, h: Columns) -> Coefficients:
    root = (1 - power(h["beta2"], t)).sqrt()
    return {
        "rate": h["learning_rate"],
        "new": 1 - h["beta1"],
        "new_square": 1 - h["beta2"],
        "epsilon": h["epsilon"] * root,
        "correction": root / (1 - power(h["beta1"], t)),
        "decay": h["weight_decay"],
    }


def _lamb(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    mean.lerp_(gradient, c.new)
    square.lerp_(gradient.mul_(gradient), c.new_square)
    spread = square_root(square, out=gradient).add_(c.epsilon)
    step = torch.div(mean, spread, out=spread).mul_(c.correction).addcmul_(weights, c.decay)
    trust = _trust(c.layout.norms(weights), c.layout.norms(step))
    weights.sub_(scale(step, c.rate * trust, c.layout))


def _lars_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {
        "rate": h["learning_rate"],
        "momentum": h["momentum"],
        "decay": h["weight_decay"],
        "trust": h["trust_coefficient"],
    }


def _lars(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    velocity = state["velocity"]
    length, steepness = c.layout.norms(weights), c.layout.norms(gradient)
    local = c.trust * length / (steepness + c.decay * length)
    local = torch.where((length == 0) | (steepness == 0), 1.0, local)
    step = scale(gradient.addcmul_(weights, c.decay), local, c.layout)
    velocity.mul_(c.momentum).add_(step)
    weights.addcmul_(velocity, c.rate, value=-1)


def _novograd_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {
        "rate": h["learning_rate"],
        "keep": h["beta1"],
        "new_square": torch.where(t == 1, 1.0, 1 - h["beta2"]),
        "epsilon": h["epsilon"],
        "decay": h["weight_decay"],
    }


def _novograd_start(weights: Tensor, layout: Layout) -> State:
    square = weights.new_zeros(len(weights), len(layout.shapes))
    return {"velocity": torch.zeros_like(weights), "square": square}


def _novograd(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    velocity, square = state["velocity"], state["square"]
    square.lerp_(c.layout.norms(gradient).square_(), c.new_square)
    step = scale(gradient, 1 / (square.sqrt() + c.epsilon), c.layout)
    velocity.mul_(c.keep).add_(step.addcmul_(weights, c.decay))
    weights.addcmul_(velocity, c.rate, value=-1)


LAMB = Rule(
    name="lamb",
    summary="AdamW whose step has, in each tensor, the length of the weights times the learning "
    "rate; made for very large batches.",
    formula="u = m̂ / (√v̂ + ε) + λ θ;  θ ← θ − η (‖θ‖ / ‖u‖) u, tensor by tensor",
    reference="You et al. 2019 (arXiv:1904.00962), algorithm 2",
    hyperparameters=(
        learning_rate(1e-3, 1e-4, 0.1),
        BETA1,
        BETA2,
        fixed("epsilon", 1e-6, "Keeps the division finite."),
        WEIGHT_DECAY,
    ),
    state=("mean", "square"),
    coefficients=_lamb_coefficients,
    update=_lamb,
    stacking="reduction",
)

LARS = Rule(
    name="lars",
    summary="Momentum whose step fits each tensor: proportional to the norm of its weights over "
    "that of its gradient.",
    formula="l = κ ‖θ‖ / (‖g‖ + λ ‖θ‖);  b ← μ b + l (g + λ θ);  θ ← θ − η b, tensor by tensor",
    reference="You, Gitman & Ginsburg 2017 (arXiv:1708.03888), algorithm 1",
    hyperparameters=(
        learning_rate(1.0, 0.1, 10.0),
        decay("momentum", 0.9, 0.7, 0.995, "Share of the velocity kept at each step."),
        Hyperparameter(
            "weight_decay",
            1e-4,
            "Share of the weights added to the gradient.",
            low=1e-5,
            high=1e-2,
            scale="log",
            source="You et al. 2017 (5e-4), widened",
        ),
        fixed("trust_coefficient", 1e-3, "How far a tensor may move in a step, as a share of it."),
    ),
    state=("velocity",),
    coefficients=_lars_coefficients,
    update=_lars,
    stacking="reduction",
)

NOVOGRAD = Rule(
    name="novograd",
    summary="Momentum over gradients that are divided by a running root mean square of their "
    "norm, one number a tensor.",
    formula="v ← β₂ v + (1−β₂) ‖g‖², at first ‖g‖²;  m ← β₁ m + g / (√v + ε) + λ θ;  "
    "θ ← θ − η m, tensor by tensor",
    reference="Ginsburg et al. 2019 (arXiv:1905.11286), algorithm 1",
    hyperparameters=(
        learning_rate(1e-3, 1e-4, 0.1),
        decay("beta1", 0.95, 0.5, 0.98, "Share of the velocity kept at each step."),
        decay("beta2", 0.98, 0.25, 0.999, "Share of the mean squared norm kept."),
        EPSILON,
        Hyperparameter(
            "weight_decay",
            1e-3,
            "Share of the weights added to the step.",
            low=1e-4,
            high=1e-2,
            scale="log",
            source="Ginsburg et al. 2019, widened",
        ),
    ),
    state=("velocity", "square"),
    coefficients=_novograd_coefficients,
    update=_novograd,
    stacking="reduction",
    start=_novograd_start,
)
