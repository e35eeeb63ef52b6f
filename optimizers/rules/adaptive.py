"""Rules that scale each weight's step by the size of its past gradients."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.rule import Coefficients, Columns, Rule, State, power
from optimizers.rules.common import decay, fixed, learning_rate


def _adagrad_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {"rate": h["learning_rate"], "epsilon": h["epsilon"]}


def _adagrad(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    total = state["total"]
    total.addcmul_(gradient, gradient)
    spread = total.sqrt().add_(c.epsilon)
    weights.addcdiv_(gradient.mul_(c.rate), spread, value=-1)


def _rmsprop_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {
        "rate": h["learning_rate"],
        "new": 1 - h["alpha"],
        "epsilon": h["epsilon"],
    }


def _rmsprop(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    square = state["square"]
    spread = gradient * gradient
    square.lerp_(spread, c.new)
    torch.sqrt(square, out=spread).add_(c.epsilon)
    weights.addcdiv_(gradient.mul_(c.rate), spread, value=-1)


def _adam_coefficients(t: Tensor, h: Columns) -> Coefficients:
    # Kingma & Ba, end of section 2: m̂ / (√v̂ + ε) = root m / (√v + ε root) / (1 - β₁^t).
    root = (1 - power(h["beta2"], t)).sqrt()
    return {
        "new": 1 - h["beta1"],
        "new_square": 1 - h["beta2"],
        "epsilon": h["epsilon"] * root,
        "rate": h["learning_rate"] * root / (1 - power(h["beta1"], t)),
    }


def _adamw_coefficients(t: Tensor, h: Columns) -> Coefficients:
    keep = 1 - h["learning_rate"] * h["weight_decay"]
    return {**_adam_coefficients(t, h), "keep": keep}


def _adam(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    mean.lerp_(gradient, c.new)
    square.lerp_(gradient.mul_(gradient), c.new_square)
    # The gradient's memory serves from here on: fresh memory costs more than the arithmetic.
    spread = torch.sqrt(square, out=gradient).add_(c.epsilon)
    weights.addcmul_(torch.div(mean, spread, out=spread), c.rate, value=-1)


def _adamw(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    weights.mul_(c.keep)
    _adam(weights, gradient, state, c)


BETA1 = decay("beta1", 0.9, 0.5, 0.98, "Share of the mean gradient kept at each step.")
BETA2 = decay("beta2", 0.999, 0.9, 0.9999, "Share of the mean squared gradient kept.")
EPSILON = fixed("epsilon", 1e-8, "Keeps the division finite.")

ADAGRAD = Rule(
    name="adagrad",
    summary="Divides each weight's step by the root of the sum of its squared gradients, "
    "so that rare features learn fast.",
    formula="s ← s + g²;  θ ← θ − η g / (√s + ε)",
    reference="Duchi, Hazan & Singer 2011, Adaptive Subgradient Methods",
    hyperparameters=(
        learning_rate(0.01, 1e-3, 3.0),
        fixed("epsilon", 1e-10, "Keeps the division finite."),
    ),
    state=("total",),
    coefficients=_adagrad_coefficients,
    update=_adagrad,
)

RMSPROP = Rule(
    name="rmsprop",
    summary="Divides each weight's step by the root of a running mean of its squared gradients.",
    formula="v ← α v + (1−α) g²;  θ ← θ − η g / (√v + ε)",
    reference="Tieleman & Hinton 2012, Lecture 6.5",
    hyperparameters=(
        learning_rate(0.01, 1e-5, 0.1),
        decay("alpha", 0.99, 0.7, 0.999, "Share of the mean squared gradient kept."),
        EPSILON,
    ),
    state=("square",),
    coefficients=_rmsprop_coefficients,
    update=_rmsprop,
)

ADAM = Rule(
    name="adam",
    summary="Running means of the gradient and of its square, both corrected for their start.",
    formula="m ← β₁ m + (1−β₁) g;  v ← β₂ v + (1−β₂) g²;  θ ← θ − η m̂ / (√v̂ + ε)",
    reference="Kingma & Ba 2014 (arXiv:1412.6980), algorithm 1",
    hyperparameters=(learning_rate(1e-3, 1e-5, 0.1), BETA1, BETA2, EPSILON),
    state=("mean", "square"),
    coefficients=_adam_coefficients,
    update=_adam,
)

ADAMW = Rule(
    name="adamw",
    summary="Adam with weight decay applied to the weights and not through the gradient.",
    formula="θ ← (1 − η λ) θ, then Adam's step",
    reference="Loshchilov & Hutter 2017 (arXiv:1711.05101), algorithm 2",
    hyperparameters=(
        *ADAM.hyperparameters,
        Hyperparameter(
            "weight_decay",
            0.01,
            "Share of each weight lost a step, times the learning rate.",
            low=1e-3,
            high=1.0,
            scale="log",
            source="AlgoPerf, widened",
        ),
    ),
    state=("mean", "square"),
    coefficients=_adamw_coefficients,
    update=_adamw,
)
