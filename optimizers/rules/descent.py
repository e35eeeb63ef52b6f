"""Gradient descent, its memories (momentum and kin) and its average."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.rule import Coefficients, Columns, Rule, State, power
from optimizers.rules.common import decay, fixed, learning_rate


def _step_size(t: Tensor, h: Columns) -> Coefficients:
    return {"rate": h["learning_rate"]}


def _with_momentum(t: Tensor, h: Columns) -> Coefficients:
    return {"rate": h["learning_rate"], "momentum": h["momentum"]}


def _sgd(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    weights.addcmul_(gradient, c.rate, value=-1)


def _momentum(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    velocity = state["velocity"]
    torch.addcmul(gradient, velocity, c.momentum, out=velocity)
    weights.addcmul_(velocity, c.rate, value=-1)


def _nesterov(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    velocity = state["velocity"]
    torch.addcmul(gradient, velocity, c.momentum, out=velocity)
    gradient.addcmul_(velocity, c.momentum)
    weights.addcmul_(gradient, c.rate, value=-1)


def _qhm(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean = state["mean"]
    mean.lerp_(gradient, c.new)
    weights.addcmul_(gradient.lerp_(mean, c.nu), c.rate, value=-1)


def _qhm_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {"rate": h["learning_rate"], "new": 1 - h["beta"], "nu": h["nu"]}


def _aggmo(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    plain, short, long = state["plain"], state["short"], state["long"]
    torch.addcmul(gradient, plain, c.beta1, out=plain)
    torch.addcmul(gradient, short, c.beta2, out=short)
    torch.addcmul(gradient, long, c.beta3, out=long)
    total = torch.add(plain, short, out=gradient).add_(long)
    weights.addcmul_(total, c.rate, value=-1)


def _aggmo_coefficients(t: Tensor, h: Columns) -> Coefficients:
    betas = {name: h[name] for name in ("beta1", "beta2", "beta3")}
    return {"rate": h["learning_rate"] / len(betas), **betas}


def _asgd(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    weights.mul_(c.keep).sub_(gradient.mul_(c.rate))
    state["average"].lerp_(weights, c.new)


def _asgd_coefficients(t: Tensor, h: Columns) -> Coefficients:
    decayed = h["weight_decay"] * h["learning_rate"]
    rate = h["learning_rate"] / power(1 + decayed * (t - 1), h["alpha"])
    begin = torch.floor(h["begin"] * h["total_steps"] + 1e-9)  # 0.29 * 100 is 28.999...
    return {
        "rate": rate,
        "keep": 1 - h["weight_decay"] * rate,
        "new": 1 / (t - 1 - begin).clamp(min=1),  # 1 until averaging begins: a copy
    }


def _average(weights: Tensor, state: State, c: SimpleNamespace) -> Tensor:
    return state["average"]


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

QHM = Rule(
    name="qhm",
    summary="Quasi-hyperbolic momentum: a weighted mean of a plain step and a momentum step, "
    "so that even a very long memory does no harm.",
    formula="m ← β m + (1−β) g;  θ ← θ − η ((1−ν) g + ν m)",
    reference="Ma & Yarats 2018 (arXiv:1810.06801), section 3",
    hyperparameters=(
        learning_rate(1.0, 1e-2, 10.0),
        decay("beta", 0.999, 0.9, 0.9999, "Share of the mean gradient kept at each step."),
        Hyperparameter(
            "nu",
            0.7,
            "Share of the step that the mean gradient has.",
            low=0.5,
            high=1.0,
            maximum=1.0,
            source="Ma & Yarats 2018, widened",
        ),
    ),
    state=("mean",),
    coefficients=_qhm_coefficients,
    update=_qhm,
)

AGGMO = Rule(
    name="aggmo",
    summary="Aggregated momentum: the mean of three velocities with short to long memories, "
    "of which the short ones damp the swings of the long one.",
    formula="bᵢ ← βᵢ bᵢ + g for i = 1, 2, 3;  θ ← θ − (η/3) (b₁ + b₂ + b₃)",
    reference="Lucas, Sun, Zemel & Grosse 2018 (arXiv:1804.00325), section 3",
    hyperparameters=(
        learning_rate(0.1, 1e-4, 1.0),
        Hyperparameter("beta1", 0.0, "Share of the first velocity kept.", below=1.0),
        Hyperparameter("beta2", 0.9, "Share of the second velocity kept.", below=1.0),
        Hyperparameter("beta3", 0.99, "Share of the third velocity kept.", below=1.0),
    ),
    state=("plain", "short", "long"),
    coefficients=_aggmo_coefficients,
    update=_aggmo,
)

ASGD = Rule(
    name="asgd",
    summary="Gradient descent at a slowly falling rate, judged by the average of its weights "
    "once averaging has begun.",
    formula="ηₜ = η / (1 + λ η (t−1))^α;  θ ← (1 − λ ηₜ) θ − ηₜ g;  θ̄ ← θ̄ + (θ − θ̄) / max(1, t−1−t₀)",
    reference="Polyak & Juditsky 1992, Acceleration of Stochastic Approximation by Averaging",
    hyperparameters=(
        learning_rate(0.01, 1e-3, 10.0),
        fixed("weight_decay", 1e-4, "Share of each weight lost a step, times the learning rate."),
        fixed("alpha", 0.75, "How fast the rate falls; 0 keeps it."),
        Hyperparameter(
            "begin",
            0.5,
            "Share of all steps before averaging begins.",
            low=0.5,
            high=0.95,
            maximum=1.0,
            source="Rakhlin, Shamir & Sridharan 2012 (arXiv:1109.5647), widened",
        ),
    ),
    state=("average",),
    coefficients=_asgd_coefficients,
    update=_asgd,
    evaluation_point=_average,
)
