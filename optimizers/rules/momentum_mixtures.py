"""Adam with another idea of where to go: more in the numerator than one mean of gradients."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.rule import Coefficients, Columns, Rule, State, per_rate, power, square_root
from optimizers.rules.adam import ADAMW
from optimizers.rules.common import BETA1, BETA2, EPSILON, WEIGHT_DECAY, decay, learning_rate

XIE = "Xie et al. 2022 (arXiv:2208.06677), widened"
PAGLIARDINI = "Pagliardini et al. 2024 (arXiv:2409.03137), widened"
YUAN = "Yuan et al. 2024 (arXiv:2411.10438), widened"


def _nadamw(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    mean.lerp_(gradient, c.new)
    ahead = torch.lerp(mean, gradient, c.new)
    square.lerp_(gradient.mul_(gradient), c.new_square)
    spread = square_root(square, out=gradient, times=c.slowness).add_(c.epsilon)
    weights.mul_(c.keep).addcdiv_(ahead, spread, value=-1)


def _adan_coefficients(t: Tensor, h: Columns) -> Coefficients:
    root = (1 - power(h["beta3"], t)).sqrt()
    corrected = 1 - power(h["beta1"], t)
    slowness = per_rate(h["learning_rate"] * root / corrected)
    later = (t > 1).to(t.dtype)  # the first gradient differs from none before it
    return {
        "new": 1 - h["beta1"],
        "new_change": (1 - h["beta2"]) * later,
        "new_square": 1 - h["beta3"],
        "ahead": h["beta2"] * later,
        "epsilon": h["epsilon"] * root * slowness,
        "slowness": slowness,
        "change_ratio": h["beta2"] * corrected / (1 - power(h["beta2"], t)),
        "shrink": 1 + h["learning_rate"] * h["weight_decay"],
    }


def _adan(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, mean_change, square = state["mean"], state["mean_change"], state["square"]
    change = torch.sub(gradient, state["previous"], out=state["previous"])
    mean.lerp_(gradient, c.new)
    mean_change.lerp_(change, c.new_change)
    ahead = torch.addcmul(gradient, change, c.ahead, out=change)
    square.lerp_(ahead.mul_(ahead), c.new_square)
    state["previous"].copy_(gradient)
    spread = square_root(square, out=gradient, times=c.slowness).add_(c.epsilon)
    rates = spread.reciprocal_()
    weights.addcmul_(mean, rates, value=-1)
    weights.addcmul_(mean_change, rates.mul_(c.change_ratio), value=-1).div_(c.shrink)


def _ademamix_coefficients(t: Tensor, h: Columns) -> Coefficients:
    done = t / h["total_steps"]
    # The memory lengthens evenly: -1 / ln β is about how many gradients a mean remembers.
    memory = (1 - done) / h["beta1"].log() + done / h["beta3"].log()
    slow = torch.minimum((1 / memory).exp(), h["beta3"])
    corrected = 1 - power(h["beta1"], t)
    return {
        **ADAMW.coefficients(t, h),
        "new_slow": 1 - slow,
        "slow_ratio": h["alpha"] * done * corrected,
    }


def _ademamix(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, slow, square = state["mean"], state["slow"], state["square"]
    mean.lerp_(gradient, c.new)
    slow.lerp_(gradient, c.new_slow)
    square.lerp_(gradient.mul_(gradient), c.new_square)
    spread = square_root(square, out=gradient, times=c.slowness).add_(c.epsilon)
    rates = spread.reciprocal_()
    weights.mul_(c.keep).addcmul_(mean, rates, value=-1)
    weights.addcmul_(slow, rates.mul_(c.slow_ratio), value=-1)


def _mars_coefficients(t: Tensor, h: Columns) -> Coefficients:
    correction = h["gamma"] * h["beta1"] / (1 - h["beta1"])
    return {**ADAMW.coefficients(t, h), "correction": torch.where(t > 1, correction, 0.0)}


def _mars(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square, previous = state["mean"], state["square"], state["previous"]
    change = torch.sub(gradient, previous)
    previous.copy_(gradient)
    corrected = gradient.addcmul_(change, c.correction)
    corrected.div_(c.layout.spread(c.layout.norms(corrected).clamp_(min=1)))
    mean.lerp_(corrected, c.new)
    square.lerp_(corrected.mul_(corrected), c.new_square)
    spread = square_root(square, out=gradient, times=c.slowness).add_(c.epsilon)
    weights.mul_(c.keep).addcdiv_(mean, spread, value=-1)


NADAMW = Rule(
    name="nadamw",
    summary="AdamW with Nesterov's look-ahead: the newest gradient counts twice in the mean.",
    formula="m, v as in Adam;  θ ← (1 − η λ) θ − η (β₁ m + (1−β₁) g) / ((1−β₁ᵗ) (√v̂ + ε))",
    reference="Dahl et al. 2023 (arXiv:2306.07179); Choi et al. 2019 (arXiv:1910.05446), table 1",
    hyperparameters=ADAMW.hyperparameters,
    state=("mean", "square"),
    coefficients=ADAMW.coefficients,
    update=_nadamw,
)

ADAN = Rule(
    name="adan",
    summary="Adam with a second mean, of how the gradient changes, to look ahead "
    "without moving there.",
    formula="δ = g − g₋₁, at first 0;  m ← β₁ m + (1−β₁) g;  d ← β₂ d + (1−β₂) δ;  "
    "n ← β₃ n + (1−β₃) (g + β₂ δ)²;  θ ← (θ − η (m̂ + β₂ d̂) / (√n̂ + ε)) / (1 + η λ)",
    reference="Xie et al. 2022 (arXiv:2208.06677), algorithm 1",
    hyperparameters=(
        learning_rate(1e-3, 1e-5, 0.1, XIE),
        decay("beta1", 0.98, 0.8, 0.995, "Share of the mean gradient kept at each step.", XIE),
        decay("beta2", 0.92, 0.7, 0.98, "Share of the mean change of gradients kept.", XIE),
        decay("beta3", 0.99, 0.9, 0.999, "Share of the mean square kept.", XIE),
        EPSILON,
        Hyperparameter(
            "weight_decay",
            0.02,
            "Share of each weight lost a step, times the learning rate.",
            low=1e-3,
            high=1.0,
            scale="log",
            source=XIE,
        ),
    ),
    state=("mean", "mean_change", "square", "previous"),
    coefficients=_adan_coefficients,
    update=_adan,
)

ADEMAMIX = Rule(
    name="ademamix",
    summary="AdamW whose step adds a second, far slower mean of the gradients; "
    "its length and weight grow over the training.",
    formula="m, v as in Adam;  s ← bₜ s + (1−bₜ) g, 1/ln bₜ going from 1/ln β₁ to 1/ln β₃;  "
    "θ ← (1 − η λ) θ − η (m̂ + α (t/T) s) / (√v̂ + ε)",
    reference="Pagliardini, Ablin & Grangier 2024 (arXiv:2409.03137), algorithm 1",
    hyperparameters=(
        learning_rate(1e-3, 1e-5, 0.1),
        BETA1,
        BETA2,
        decay("beta3", 0.9999, 0.99, 0.9999, "Share of the slow mean kept.", PAGLIARDINI),
        Hyperparameter(
            "alpha",
            5.0,
            "Weight of the slow mean in the step, at the end of training.",
            low=1.0,
            high=16.0,
            scale="log",
            source=PAGLIARDINI,
        ),
        EPSILON,
        WEIGHT_DECAY,
    ),
    state=("mean", "slow", "square"),
    coefficients=_ademamix_coefficients,
    update=_ademamix,
)

MARS = Rule(
    name="mars",
    summary="AdamW on gradients corrected by their change since the last step, "
    "which takes some of the batches' noise out.",
    formula="c = g + γ (β₁/(1−β₁)) (g − g₋₁), at first g;  c ← c / max(1, ‖c‖) over each tensor;  "
    "m, v as in Adam, of c;  θ ← (1 − η λ) θ − η m̂ / (√v̂ + ε)",
    reference="Yuan et al. 2024 (arXiv:2411.10438), algorithm 2",
    hyperparameters=(
        learning_rate(3e-3, 1e-5, 0.1, YUAN),
        decay("beta1", 0.95, 0.8, 0.98, "Share of the mean gradient kept at each step.", YUAN),
        decay("beta2", 0.99, 0.9, 0.999, "Share of the mean squared gradient kept.", YUAN),
        EPSILON,
        Hyperparameter(
            "gamma",
            0.025,
            "Share of the correction to apply.",
            low=1e-3,
            high=0.1,
            scale="log",
            source=YUAN,
        ),
        WEIGHT_DECAY,
    ),
    state=("mean", "square", "previous"),
    coefficients=_mars_coefficients,
    update=_mars,
    stacking="reduction",
)
