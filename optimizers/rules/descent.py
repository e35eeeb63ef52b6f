"""Gradient descent and its two classic memories: momentum and Nesterov's look-ahead."""

from types import SimpleNamespace

from torch import Tensor

from optimizers.rule import Coefficients, Columns, Rule, State
from optimizers.rules.common import decay, learning_rate


def _step_size(t: Tensor, h: Columns) -> Coefficients:
    return {"rate": h["learning_rate"]}


def _with_momentum(t: Tensor, h: Columns) -> Coefficients:
    return {"rate": h["learning_rate"], "momentum": h["momentum"]}


def _sgd(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    weights.sub_(gradient.mul_(c.rate))


def _momentum(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    velocity = state["velocity"]
    velocity.mul_(c.momentum).add_(gradient)
    weights.addcmul_(velocity, c.rate, value=-1)


def _nesterov(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    velocity = state["velocity"]
    velocity.mul_(c.momentum).add_(gradient)
    gradient.addcmul_(velocity, c.momentum)
    weights.sub_(gradient.mul_(c.rate))


MOMENTUM = decay("momentum", 0.9, 0.7, 0.995, "Share of the velocity kept at each step.")

SGD = Rule(
    name="sgd",
    summary="Gradient descent: a step against the gradient. Batch, stochastic or mini-batch "
    "descent is the choice of batch (full, single or a number), not another rule.",
    formula="θ ← θ − η g",
    reference="Robbins & Monro 1951, A Stochastic Approximation Method",
    hyperparameters=(learning_rate(0.1, 1e-3, 10.0),),
    state=(),
    coefficients=_step_size,
    update=_sgd,
)

HEAVY_BALL = Rule(
    name="momentum",
    summary="Gradient descent with a velocity that carries past gradients on.",
    formula="b ← μ b + g;  θ ← θ − η b",
    reference="Polyak 1964; Sutskever, Martens, Dahl & Hinton 2013",
    hyperparameters=(learning_rate(0.01, 1e-4, 1.0), MOMENTUM),
    state=("velocity",),
    coefficients=_with_momentum,
    update=_momentum,
)

NESTEROV = Rule(
    name="nesterov",
    summary="Momentum that looks ahead: the step uses the velocity that it is about to have.",
    formula="b ← μ b + g;  θ ← θ − η (g + μ b)",
    reference="Nesterov 1983; Sutskever, Martens, Dahl & Hinton 2013",
    hyperparameters=(learning_rate(0.01, 1e-4, 1.0), MOMENTUM),
    state=("velocity",),
    coefficients=_with_momentum,
    update=_nesterov,
)
