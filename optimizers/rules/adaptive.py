"""Rules that scale each weight's step by the size of its past gradients."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.rule import Coefficients, Columns, Rule, State, per_rate, square_root
from optimizers.rules.common import EPSILON, decay, fixed, learning_rate


def _adagrad_coefficients(t: Tensor, h: Columns) -> Coefficients:
    slowness = per_rate(h["learning_rate"])
    return {"slowness": slowness, "epsilon": h["epsilon"] * slowness}


def _adagrad(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    total = state["total"]
    total.addcmul_(gradient, gradient)
    spread = square_root(total, times=c.slowness).add_(c.epsilon)
    weights.addcdiv_(gradient, spread, value=-1)


def _rmsprop_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {
        "rate": h["learning_rate"],
        "new": 1 - h["alpha"],
        "epsilon": h["epsilon"],
        "momentum": h["momentum"],
    }


def _rmsprop(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    square, velocity = state["square"], state["velocity"]
    spread = gradient * gradient
    square.lerp_(spread, c.new)
    square_root(square, out=spread).add_(c.epsilon)
    velocity.mul_(c.momentum).addcdiv_(gradient, spread)
    weights.addcmul_(velocity, c.rate, value=-1)


def _centered_coefficients(t: Tensor, h: Columns) -> Coefficients:
    keep = {"keep": h["alpha"], "share": h["alpha"] * (1 - h["alpha"])}
    return {**_rmsprop_coefficients(t, h), **keep}


def _centered(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, variance, velocity = state["mean"], state["variance"], state["velocity"]
    # The mean square less the squared mean, but as a sum of squares: it cannot round below 0.
    spread = gradient - mean
    mean.lerp_(gradient, c.new)
    variance.mul_(c.keep).addcmul_(spread.mul_(spread), c.share)
    square_root(variance, out=spread).add_(c.epsilon)
    velocity.mul_(c.momentum).addcdiv_(gradient, spread)
    weights.addcmul_(velocity, c.rate, value=-1)


def _adadelta_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {"rate": h["learning_rate"], "new": 1 - h["rho"], "epsilon": h["epsilon"]}


def _adadelta(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    square, change = state["square"], state["change"]
    scratch = gradient * gradient
    square.lerp_(scratch, c.new)
    torch.add(square, c.epsilon, out=scratch)
    step = gradient.div_(square_root(scratch, out=scratch))
    torch.add(change, c.epsilon, out=scratch)
    step.mul_(square_root(scratch, out=scratch))
    weights.addcmul_(step, c.rate, value=-1)
    change.lerp_(step.mul_(step), c.new)


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
    formula="v ← α v + (1−α) g²;  b ← μ b + g / (√v + ε);  θ ← θ − η b",
    reference="Tieleman & Hinton 2012, Lecture 6.5",
    hyperparameters=(
        learning_rate(0.01, 1e-5, 0.1),
        decay("alpha", 0.99, 0.7, 0.999, "Share of the mean squared gradient kept."),
        EPSILON,
        Hyperparameter("momentum", 0.0, "Share of the velocity kept at each step.", below=1.0),
    ),
    state=("square", "velocity"),
    coefficients=_rmsprop_coefficients,
    update=_rmsprop,
)

RMSPROP_CENTERED = Rule(
    name="rmsprop_centered",
    summary="RMSprop that divides by the standard deviation of past gradients, so that steady "
    "gradients take long steps.",
    formula="v ← α v + (1−α) g²;  a ← α a + (1−α) g;  b ← μ b + g / (√(v − a²) + ε);  θ ← θ − η b",
    reference="Graves 2013 (arXiv:1308.0850), equations 38 to 41",
    hyperparameters=RMSPROP.hyperparameters,
    state=("mean", "variance", "velocity"),
    coefficients=_centered_coefficients,
    update=_centered,
)

ADADELTA = Rule(
    name="adadelta",
    summary="Adagrad with a short memory, whose steps are sized by the steps before: "
    "the learning rate only multiplies them.",
    formula="v ← ρ v + (1−ρ) g²;  d = g √(u + ε) / √(v + ε);  u ← ρ u + (1−ρ) d²;  θ ← θ − η d",
    reference="Zeiler 2012 (arXiv:1212.5701), algorithm 1",
    hyperparameters=(
        learning_rate(1.0, 1e-3, 10.0),
        decay("rho", 0.9, 0.7, 0.999, "Share of the mean squares kept at each step."),
        Hyperparameter(
            "epsilon",
            1e-6,
            "Its root is the size of the first steps.",
            low=1e-8,
            high=1e-2,
            scale="log",
            source="Zeiler 2012, table 2",
        ),
    ),
    state=("square", "change"),
    coefficients=_adadelta_coefficients,
    update=_adadelta,
)
