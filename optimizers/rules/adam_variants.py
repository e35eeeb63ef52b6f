"""Adam with another measure of how far to go: what the mean gradient is divided by."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.layout import Layout
from optimizers.rule import Coefficients, Columns, Rule, State, power, square_root
from optimizers.rules.adam import ADAM, ADAMW
from optimizers.rules.common import (
    BETA1,
    BETA2,
    CROWDED_VALLEY,
    EPSILON,
    WEIGHT_DECAY,
    decay,
    fixed,
    learning_rate,
)


def _step(weights: Tensor, mean: Tensor, square: Tensor, c: SimpleNamespace, out: Tensor) -> None:
    """Adam's last line, in memory that is free by then."""
    spread = square_root(square, out=out, times=c.slowness).add_(c.epsilon)
    weights.addcdiv_(mean, spread, value=-1)


def _clip(numbers: Tensor, c: SimpleNamespace) -> Tensor:
    """Between each trial's bounds, in place; `clamp_` takes four times as long over columns."""
    torch.maximum(numbers, c.lowest, out=numbers)
    return torch.minimum(numbers, c.highest, out=numbers)


def _yogi(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    mean.lerp_(gradient, c.new)
    fresh = gradient.mul_(gradient)
    change = torch.sub(square, fresh).sign_().mul_(fresh)
    square.addcmul_(change, c.new_square, value=-1)
    _step(weights, mean, square, c, out=fresh)


def _yogi_start(weights: Tensor, layout: Layout) -> State:
    return {"mean": torch.zeros_like(weights), "square": torch.full_like(weights, 1e-6)}


def _adabelief_coefficients(t: Tensor, h: Columns) -> Coefficients:
    # The ε that the paper adds to s at every step is a sum of its own, and known beforehand.
    gathered = h["epsilon"] * (1 - power(h["beta2"], t)) / (1 - h["beta2"])
    return {**ADAM.coefficients(t, h), "gathered": gathered}


def _adabelief(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, surprise = state["mean"], state["surprise"]
    mean.lerp_(gradient, c.new)
    fresh = gradient.sub_(mean)
    surprise.lerp_(fresh.mul_(fresh), c.new_square)
    _step(weights, mean, torch.add(surprise, c.gathered, out=fresh), c, out=fresh)


def _adabound_coefficients(t: Tensor, h: Columns) -> Coefficients:
    final, narrowing = h["learning_rate"] * h["final_ratio"], h["gamma"] * t
    adam = ADAM.coefficients(t, h)
    return {
        **adam,
        "epsilon": h["epsilon"] * adam["slowness"],
        "lowest": final * (1 - 1 / (narrowing + 1)),
        "highest": final * (1 + 1 / narrowing),
    }


def _adabound(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    mean.lerp_(gradient, c.new)
    square.lerp_(gradient.mul_(gradient), c.new_square)
    spread = square_root(square, out=gradient, times=c.slowness).add_(c.epsilon)
    rates = _clip(spread.reciprocal_(), c)
    weights.addcmul_(rates, mean, value=-1)


def _laprop_coefficients(t: Tensor, h: Columns) -> Coefficients:
    root = (1 - power(h["beta2"], t)).sqrt()
    return {
        "new": 1 - h["beta1"],
        "new_square": 1 - h["beta2"],
        "root": root,
        "epsilon": h["epsilon"] * root,
        "rate": h["learning_rate"] / (1 - power(h["beta1"], t)),
    }


def _laprop(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    spread = gradient * gradient
    square.lerp_(spread, c.new_square)
    square_root(square, out=spread).add_(c.epsilon)
    mean.lerp_(gradient.mul_(c.root).div_(spread), c.new)
    weights.addcmul_(mean, c.rate, value=-1)


def _adopt_coefficients(t: Tensor, h: Columns) -> Coefficients:
    # The first step only fills the mean of squares: its gradient is clipped to nothing.
    clip = power(t - 1, torch.full_like(t, 0.25))
    return {
        "new": 1 - h["beta1"],
        "new_square": torch.where(t > 1, 1 - h["beta2"], 1.0),
        "epsilon": h["epsilon"],
        "lowest": -clip,
        "highest": clip,
        "rate": h["learning_rate"],
    }


def _adopt(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    spread = square_root(square)
    torch.maximum(spread, c.epsilon, out=spread)
    mean.lerp_(_clip(torch.div(gradient, spread, out=spread), c), c.new)
    weights.addcmul_(mean, c.rate, value=-1)
    square.lerp_(gradient.mul_(gradient), c.new_square)


def _stable_adamw_coefficients(t: Tensor, h: Columns) -> Coefficients:
    corrected = 1 - power(h["beta2"], t)
    return {
        **ADAM.coefficients(t, h),
        "corrected": corrected,
        "floor": h["epsilon"] ** 2 * corrected,
        "shrink": h["learning_rate"] * h["weight_decay"],
    }


def _stable_adamw(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    mean.lerp_(gradient, c.new)
    fresh = gradient.mul_(gradient)
    square.lerp_(fresh, c.new_square)
    ratio = fresh.div_(torch.maximum(square, c.floor))
    excess = c.layout.means(ratio).mul_(c.corrected).sqrt_().clamp_(min=1)  # (k, tensors)
    spread = square_root(square, out=fresh, times=c.slowness).add_(c.epsilon)
    step = torch.div(mean, spread, out=spread).addcmul_(weights, c.shrink)
    weights.sub_(step.div_(c.layout.spread(excess)))


YOGI = Rule(
    name="yogi",
    summary="Adam whose mean of squares moves by a step that does not depend on how large it is, "
    "so that steps cannot suddenly grow.",
    formula="m as in Adam, v₀ = 10⁻⁶;  v ← v − (1−β₂) sign(v − g²) g²;  θ ← θ − η m̂ / (√v̂ + ε)",
    reference="Zaheer et al. 2018, Adaptive Methods for Nonconvex Optimization, algorithm 2",
    hyperparameters=(
        learning_rate(0.01, 1e-4, 0.1),
        BETA1,
        BETA2,
        fixed("epsilon", 1e-3, "Bounds the step where gradients are tiny."),
    ),
    state=("mean", "square"),
    coefficients=ADAM.coefficients,
    update=_yogi,
    start=_yogi_start,
)

ADABELIEF = Rule(
    name="adabelief",
    summary="Adam that divides by how far the gradient lies from its own mean: "
    "bold where gradients come as expected, careful where they surprise.",
    formula="m as in Adam;  s ← β₂ s + (1−β₂) (g−m)² + ε;  θ ← θ − η m̂ / (√ŝ + ε)",
    reference="Zhuang et al. 2020 (arXiv:2010.07468), algorithm 2",
    hyperparameters=(
        learning_rate(1e-3, 1e-5, 0.1),
        BETA1,
        BETA2,
        fixed("epsilon", 1e-16, "Added to the squares at every step, and to their root."),
    ),
    state=("mean", "surprise"),
    coefficients=_adabelief_coefficients,
    update=_adabelief,
)

ADABOUND = Rule(
    name="adabound",
    summary="Adam between bounds on each weight's rate that close in on one rate for all: "
    "it starts as Adam and ends as gradient descent with momentum.",
    formula="m, v as in Adam;  r = η√(1−β₂ᵗ) / ((1−β₁ᵗ) (√v + ε));  "
    "θ ← θ − clip(r, η f (1 − 1/(γt+1)), η f (1 + 1/(γt))) m",
    reference="Luo, Xiong, Liu & Sun 2019 (arXiv:1902.09843), algorithm 2",
    hyperparameters=(
        learning_rate(1e-3, 1e-5, 0.1),
        BETA1,
        BETA2,
        EPSILON,
        Hyperparameter(
            "final_ratio",
            100.0,
            "Rate that the bounds close in on, as a multiple of the learning rate.",
            low=1.0,
            high=500.0,
            scale="log",
            source=CROWDED_VALLEY,
        ),
        Hyperparameter(
            "gamma",
            1e-3,
            "How fast the bounds close: about one over as many steps.",
            low=1e-4,
            high=0.1,
            scale="log",
            minimum=1e-12,
            source=CROWDED_VALLEY,
        ),
    ),
    state=("mean", "square"),
    coefficients=_adabound_coefficients,
    update=_adabound,
)

LAPROP = Rule(
    name="laprop",
    summary="Adam the other way round: gradients are divided by the root of their mean square "
    "first, and averaged after.",
    formula="v as in Adam;  m ← β₁ m + (1−β₁) g / (√v̂ + ε);  θ ← θ − η m / (1−β₁ᵗ)",
    reference="Ziyin, Wang & Ueda 2020 (arXiv:2002.04839), algorithm 1",
    hyperparameters=(
        learning_rate(4e-4, 1e-5, 0.1),
        BETA1,
        BETA2,
        fixed("epsilon", 1e-15, "Keeps the division finite."),
    ),
    state=("mean", "square"),
    coefficients=_laprop_coefficients,
    update=_laprop,
)

ADOPT = Rule(
    name="adopt",
    summary="Adam that divides each gradient by the squares of those before it alone, "
    "and averages after, so that it converges whatever β₂ is.",
    formula="n = clip(g / max(√v, ε), ±(t−1)^¼);  m ← β₁ m + (1−β₁) n;  θ ← θ − η m;  "
    "v ← β₂ v + (1−β₂) g², at first v ← g²",
    reference="Taniguchi et al. 2024 (arXiv:2411.02853), algorithm 2",
    hyperparameters=(
        learning_rate(1e-3, 1e-5, 0.1),
        BETA1,
        decay("beta2", 0.9999, 0.9, 0.9999, "Share of the mean squared gradient kept."),
        fixed("epsilon", 1e-6, "Least root of the mean square to divide by."),
    ),
    state=("mean", "square"),
    coefficients=_adopt_coefficients,
    update=_adopt,
)

STABLE_ADAMW = Rule(
    name="stable_adamw",
    summary="AdamW that takes smaller steps in any tensor whose gradients outgrew "
    "their mean of squares.",
    formula="m, v as in Adam;  q = max(1, √mean(g² / max(v̂, ε²))) over each tensor;  "
    "θ ← θ − (η/q) (m̂ / (√v̂ + ε) + λ θ)",
    reference="Wortsman et al. 2023 (arXiv:2304.13013), algorithm 2",
    hyperparameters=(
        learning_rate(1e-3, 1e-5, 0.1),
        BETA1,
        decay("beta2", 0.99, 0.9, 0.9999, "Share of the mean squared gradient kept."),
        EPSILON,
        WEIGHT_DECAY,
    ),
    state=ADAMW.state,
    coefficients=_stable_adamw_coefficients,
    update=_stable_adamw,
    stacking="reduction",
)
