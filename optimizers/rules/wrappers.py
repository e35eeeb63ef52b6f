"""Rules around another rule: one asks it for a step elsewhere, one averages what it does."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.layout import Layout
from optimizers.rule import Coefficients, Columns, Rule, State
from optimizers.rules.adam import ADAMW
from optimizers.rules.common import CROWDED_VALLEY, learning_rate
from optimizers.rules.descent import HEAVY_BALL, MOMENTUM


def _sam_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {**HEAVY_BALL.coefficients(t, h), "rho": h["rho"]}


def _sam(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    # Of all tensors of a trial together; the bound is for a gradient of zero.
    norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True).clamp_(min=1e-12)
    worst = gradient.mul_(c.rho / norm).add_(weights)
    HEAVY_BALL.update(weights, c.probe.gradient(worst), state, c)


def _lookahead_start(weights: Tensor, layout: Layout) -> State:
    return {**ADAMW.initial_state(weights, layout), "slow": weights.clone()}


def _lookahead_coefficients(t: Tensor, h: Columns) -> Coefficients:
    meets = torch.remainder(t, h["period"]) == 0
    return {**ADAMW.coefficients(t, h), "alpha": h["alpha"], "meets": meets.double()}


def _lookahead(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    ADAMW.update(weights, gradient, state, c)
    slow, meets = state["slow"], c.meets > 0
    pulled = torch.lerp(slow, weights, c.alpha, out=gradient)
    torch.where(meets, pulled, slow, out=slow)
    torch.where(meets, pulled, weights, out=weights)


SAM = Rule(
    name="sam",
    summary="Momentum fed with the gradient from the worst point nearby, so that it settles "
    "where the loss is flat. Takes two gradients a step.",
    formula="ĝ = ∇L(θ + ρ g/‖g‖);  b ← μ b + ĝ;  θ ← θ − η b",
    reference="Foret, Kleiner, Mobahi & Neyshabur 2020 (arXiv:2010.01412), algorithm 1",
    hyperparameters=(
        learning_rate(0.01, 1e-4, 1.0),
        MOMENTUM,
        Hyperparameter(
            "rho",
            0.05,
            "How far away the worst point nearby is looked for.",
            low=0.005,
            high=0.5,
            scale="log",
            source="AlgoPerf (0.01 to 0.05), widened",
        ),
    ),
    state=HEAVY_BALL.state,
    coefficients=_sam_coefficients,
    update=_sam,
    stacking="wrapper",
    probes=True,
)

LOOKAHEAD = Rule(
    name="lookahead",
    summary="AdamW runs ahead; every few steps slow weights follow a part of the way, and AdamW "
    "goes on from there.",
    formula="θ ← AdamW's step;  every k steps: φ ← φ + α (θ − φ);  θ ← φ",
    reference="Zhang, Lucas, Hinton & Ba 2019 (arXiv:1907.08610), algorithm 1",
    hyperparameters=(
        *ADAMW.hyperparameters,
        Hyperparameter(
            "alpha",
            0.5,
            "Share of the way that the slow weights follow.",
            low=0.05,
            high=1.0,
            scale="log",
            maximum=1.0,
            source=CROWDED_VALLEY.replace("widened", "narrowed"),
        ),
        Hyperparameter(
            "period",
            5,
            "Steps from one meeting of slow and fast weights to the next.",
            low=1,
            high=20,
            minimum=1,
            whole=True,
            source=CROWDED_VALLEY.removesuffix(", widened"),
        ),
    ),
    state=(*ADAMW.state, "slow"),
    coefficients=_lookahead_coefficients,
    update=_lookahead,
    stacking="wrapper",
    start=_lookahead_start,
)
