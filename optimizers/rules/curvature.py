"""Rules that ask for the curvature of the loss."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.rule import Coefficients, Columns, Rule, State
from optimizers.rules.common import WEIGHT_DECAY, decay, fixed, learning_rate

PERIOD = 10
"""Steps from one estimate of the curvature to the next."""


def _sophia_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {
        "rate": h["learning_rate"],
        "new": 1 - h["beta1"],
        "new_curvature": 1 - h["beta2"],
        "gamma": h["gamma"],
        "epsilon": h["epsilon"],
        "keep": 1 - h["learning_rate"] * h["weight_decay"],
    }


def direction(step: int, weights: Tensor) -> Tensor:
    """The random direction of a step, (P,): normal, the same for every trial of every stack."""
    generator = torch.Generator().manual_seed(step)
    return torch.randn(weights.shape[1], generator=generator, dtype=torch.float32).to(weights)


def _sophia(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, curvature = state["mean"], state["curvature"]
    mean.lerp_(gradient, c.new)
    if (c.step - 1) % PERIOD == 0:
        u = direction(c.step, weights).expand_as(weights)
        curvature.lerp_(c.probe.hessian_product(weights, u).mul_(u), c.new_curvature)
    spread = torch.mul(curvature, c.gamma, out=gradient)
    torch.maximum(spread, c.epsilon, out=spread)
    step = torch.div(mean, spread, out=spread).clamp_(-1, 1)
    weights.mul_(c.keep).addcmul_(step, c.rate, value=-1)


SOPHIA = Rule(
    name="sophia",
    summary="Divides the mean gradient by an estimate of the loss's curvature along each weight, "
    f"made every {PERIOD} steps from one Hessian-vector product. No weight moves further than "
    "the learning rate.",
    formula=f"every {PERIOD} steps: h ← β₂ h + (1−β₂) u ∘ (∇²L u), u ∼ N(0, 1);  "
    "m ← β₁ m + (1−β₁) g;  θ ← (1 − η λ) θ − η clip(m / max(γ h, ε), 1)",
    reference="Liu, Li, Hall, Liang & Ma 2023 (arXiv:2305.14342), algorithms 1 and 3",
    hyperparameters=(
        learning_rate(1e-3, 1e-5, 0.1),
        decay("beta1", 0.965, 0.5, 0.99, "Share of the mean gradient kept at each step."),
        decay("beta2", 0.99, 0.9, 0.999, "Share of the mean curvature kept at each estimate."),
        Hyperparameter(
            "gamma",
            0.01,
            "How large the curvature counts; smaller means that more steps are clipped.",
            low=0.005,
            high=0.05,
            scale="log",
            source="Liu et al. 2023",
        ),
        fixed("epsilon", 1e-12, "Keeps the division finite, where the curvature is not positive."),
        WEIGHT_DECAY,
    ),
    state=("mean", "curvature"),
    coefficients=_sophia_coefficients,
    update=_sophia,
    stacking="wrapper",
    probes=True,
)
