"""Muon: steps of matrices whose singular values are all alike."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.layout import Layout
from optimizers.rule import Coefficients, Columns, Rule, State
from optimizers.rules.adam import ADAMW
from optimizers.rules.common import (
    BETA1,
    BETA2,
    EPSILON,
    WEIGHT_DECAY,
    fixed,
    learning_rate,
)
from optimizers.rules.matrices import aligned, parts_of

QUINTIC = 3.4445, -4.7750, 2.0315
"""Coefficients of Muon's iteration; five of them take singular values to about 1."""

PANTHEON = "Wen et al. 2025 (arXiv:2509.02046), widened"


def orthogonal(matrices: Tensor, epsilon: Tensor) -> Tensor:
    """U Vᵀ of every matrix U S Vᵀ, nearly: singular values end between 0.7 and 1.2.

    In the precision of the weights, not in bfloat16 as elsewhere: on processors that do not
    multiply in bfloat16 it takes 10 to 20 times as long, on the others such small matrices gain
    nothing, and with 8 bits a result could be compared with nobody's.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    lying = matrices.transpose(1, 2) if tall else matrices
    x = aligned(lying)
    norm = torch.linalg.vector_norm(x.flatten(1), dim=1, keepdim=True)[: len(epsilon)]
    x[: len(epsilon)] /= torch.maximum(norm, epsilon)[:, :, None]
    a, b, c = QUINTIC
    for _ in range(5):
        gram = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    x = x[: len(lying), : lying.shape[1], : lying.shape[2]]
    return x.transpose(1, 2) if tall else x


def _muon_start(weights: Tensor, layout: Layout) -> State:
    parts = parts_of(layout)
    return {
        "momentum": weights.new_zeros(len(weights), parts.matrices.size),
        "mean": weights.new_zeros(len(weights), parts.rest.size),
        "square": weights.new_zeros(len(weights), parts.rest.size),
    }


def _muon_coefficients(t: Tensor, h: Columns) -> Coefficients:
    fallback = {
        "learning_rate": h["learning_rate"] * h["fallback_rate"],
        "beta1": h["fallback_beta1"],
        "beta2": h["fallback_beta2"],
        "epsilon": h["fallback_epsilon"],
        "weight_decay": h["weight_decay"],
    }
    return {
        "matrix_rate": h["learning_rate"],
        "matrix_keep": 1 - h["learning_rate"] * h["weight_decay"],
        "momentum": h["momentum"],
        "new_momentum": 1 - h["momentum"],
        "matrix_epsilon": h["epsilon"],
        **ADAMW.coefficients(t, fallback),
    }


def _muon(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    parts = parts_of(c.layout)
    if parts.rest.size:
        rest = parts.gather(weights, parts.rest)
        ADAMW.update(rest, parts.gather(gradient, parts.rest), state, c)
        parts.scatter(rest, parts.rest, weights)
    momentum, ahead = state["momentum"], parts.gather(gradient, parts.matrices)
    momentum.lerp_(ahead, c.new_momentum)
    ahead.lerp_(momentum, c.momentum)
    steps = parts.matrices.by_name(ahead)
    for name, matrix in parts.views(weights):
        m, n = matrix.shape[1:]
        rate = c.matrix_rate * max(1.0, m / n) ** 0.5
        step = orthogonal(steps[name], c.matrix_epsilon)
        matrix.mul_(c.matrix_keep[:, :, None]).sub_(step * rate[:, :, None])


MUON = Rule(
    name="muon",
    summary="Makes the momentum of every weight matrix orthogonal, so that all its directions "
    "move equally far. Biases and other vectors follow AdamW, at a share of the learning rate.",
    formula="m ← μ m + (1−μ) g;  u ← (1−μ) g + μ m;  X ← u/‖u‖, five times "
    "X ← a X + (b X Xᵀ + c (X Xᵀ)²) X;  θ ← (1 − η λ) θ − η √max(1, rows/columns) X",
    reference="Jordan et al. 2024, Muon; weight decay: Liu et al. 2025 (arXiv:2502.16982)",
    hyperparameters=(
        learning_rate(0.02, 1e-3, 0.2),
        Hyperparameter(
            "momentum",
            0.95,
            "Share of the mean gradient kept at each step.",
            low=0.8,
            high=0.99,
            scale="log1m",
            below=1.0,
            source=PANTHEON,
        ),
        WEIGHT_DECAY,
        Hyperparameter(
            "fallback_rate",
            0.15,
            "Learning rate of AdamW for what is no matrix, as a share of Muon's.",
            low=0.02,
            high=1.0,
            scale="log",
            source=PANTHEON,
        ),
        fixed("fallback_beta1", BETA1.default, "AdamW's share of the mean gradient kept."),
        fixed("fallback_beta2", BETA2.default, "AdamW's share of the mean squared gradient kept."),
        fixed("fallback_epsilon", EPSILON.default, "Keeps AdamW's division finite."),
        fixed("epsilon", 1e-7, "Least norm that a matrix is divided by."),
    ),
    state=("momentum", "mean", "square"),
    coefficients=_muon_coefficients,
    update=_muon,
    stacking="matrix",
    start=_muon_start,
)
