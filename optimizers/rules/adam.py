"""Adam and its kin: a running mean of the gradient over the size of its past squares."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.layout import Layout
from optimizers.rule import Coefficients, Columns, Rule, State, per_rate, power, square_root
from optimizers.rules.common import BETA1, BETA2, EPSILON, WEIGHT_DECAY, fixed, learning_rate


def _adam_coefficients(t: Tensor, h: Columns) -> Coefficients:
    # Kingma & Ba, end of section 2: η m̂ / (√v̂ + ε) = m rate / (√v + ε root), and the rate goes
    # into the divisor: one pass less over the weights.
    root = (1 - power(h["beta2"], t)).sqrt()
    slowness = per_rate(h["learning_rate"] * root / (1 - power(h["beta1"], t)))
    return {
        "new": 1 - h["beta1"],
        "new_square": 1 - h["beta2"],
        "epsilon": h["epsilon"] * root * slowness,
        "slowness": slowness,
    }


def _adamw_coefficients(t: Tensor, h: Columns) -> Coefficients:
    keep = 1 - h["learning_rate"] * h["weight_decay"]
    return {**_adam_coefficients(t, h), "keep": keep}


def _adamax_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {
        "new": 1 - h["beta1"],
        "keep": h["beta2"],
        "epsilon": h["epsilon"],
        "rate": h["learning_rate"] / (1 - power(h["beta1"], t)),
    }


def _nadam_coefficients(t: Tensor, h: Columns) -> Coefficients:
    def momentum(step: Tensor) -> Tensor:
        base = step.new_tensor(0.96)
        return h["beta1"] * (1 - power(base, step * h["momentum_decay"]) / 2)

    root = (1 - power(h["beta2"], t)).sqrt()
    now, later = momentum(t), momentum(t + 1)
    return {
        "new": 1 - h["beta1"],
        "new_square": 1 - h["beta2"],
        "epsilon": h["epsilon"] * root,
        "momentum": now,
        "next_momentum": later,
        "gradient_rate": h["learning_rate"] * root * (1 - now),
        "mean_rate": h["learning_rate"] * root * later,
    }


def _radam_coefficients(t: Tensor, h: Columns) -> Coefficients:
    kept = power(h["beta2"], t)
    longest = 2 / (1 - h["beta2"]) - 1
    length = longest - 2 * t * kept / (1 - kept)
    trusted = length > 5
    rectified = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    factor = ((1 - kept) * rectified.clamp(min=0)).sqrt()
    rate = h["learning_rate"] / (1 - power(h["beta1"], t))
    slowness = per_rate(torch.where(trusted, rate * factor, rate))
    # While untrusted the step is m̂ alone: a division by 1 + 0 √v.
    return {
        "new": 1 - h["beta1"],
        "new_square": 1 - h["beta2"],
        "epsilon": torch.where(trusted, h["epsilon"], 1.0) * slowness,
        "slowness": trusted.to(t.dtype) * slowness,
    }


def _adam(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    mean.lerp_(gradient, c.new)
    square.lerp_(gradient.mul_(gradient), c.new_square)
    # The gradient's memory serves from here on: fresh memory costs more than the arithmetic.
    spread = square_root(square, out=gradient, times=c.slowness).add_(c.epsilon)
    weights.addcdiv_(mean, spread, value=-1)


def _adamw(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    weights.mul_(c.keep)
    _adam(weights, gradient, state, c)


def _amsgrad(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square, largest = state["mean"], state["square"], state["largest"]
    mean.lerp_(gradient, c.new)
    square.lerp_(gradient.mul_(gradient), c.new_square)
    torch.maximum(largest, square, out=largest)
    spread = square_root(largest, out=gradient, times=c.slowness).add_(c.epsilon)
    weights.addcdiv_(mean, spread, value=-1)


def _adamax(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, largest = state["mean"], state["largest"]
    mean.lerp_(gradient, c.new)
    size = gradient.abs_().add_(c.epsilon)
    torch.maximum(largest.mul_(c.keep), size, out=largest)
    weights.addcmul_(torch.div(mean, largest, out=gradient), c.rate, value=-1)


def _nadam(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square, product = state["mean"], state["square"], state["product"]
    spread = gradient * gradient
    mean.lerp_(gradient, c.new)
    square.lerp_(spread, c.new_square)
    square_root(square, out=spread).add_(c.epsilon)
    product.mul_(c.momentum)
    gradient.mul_(c.gradient_rate / (1 - product))
    gradient.addcmul_(mean, c.mean_rate / (1 - product * c.next_momentum))
    weights.addcdiv_(gradient, spread, value=-1)


def _nadam_start(weights: Tensor, layout: Layout) -> State:
    return {
        "mean": torch.zeros_like(weights),
        "square": torch.zeros_like(weights),
        "product": weights.new_ones(len(weights), 1),
    }


def _radam(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    mean.lerp_(gradient, c.new)
    square.lerp_(gradient.mul_(gradient), c.new_square)
    spread = square_root(square, out=gradient, times=c.slowness).add_(c.epsilon)
    weights.addcdiv_(mean, spread, value=-1)


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
    hyperparameters=(*ADAM.hyperparameters, WEIGHT_DECAY),
    state=("mean", "square"),
    coefficients=_adamw_coefficients,
    update=_adamw,
)

AMSGRAD = Rule(
    name="amsgrad",
    summary="Adam whose mean of squares never shrinks: it divides by the largest one so far, "
    "so that no step grows because gradients became rare.",
    formula="m, v as in Adam;  V ← max(V, v);  θ ← θ − η m̂ / (√(V / (1−β₂ᵗ)) + ε)",
    reference="Reddi, Kale & Kumar 2018 (arXiv:1904.09237), algorithm 2",
    hyperparameters=ADAM.hyperparameters,
    state=("mean", "square", "largest"),
    coefficients=_adam_coefficients,
    update=_amsgrad,
)

ADAMAX = Rule(
    name="adamax",
    summary="Adam with a decaying largest gradient in place of the mean of squares.",
    formula="m ← β₁ m + (1−β₁) g;  u ← max(β₂ u, |g| + ε);  θ ← θ − η m̂ / u",
    reference="Kingma & Ba 2014 (arXiv:1412.6980), algorithm 2",
    hyperparameters=(learning_rate(2e-3, 1e-5, 0.1), BETA1, BETA2, EPSILON),
    state=("mean", "largest"),
    coefficients=_adamax_coefficients,
    update=_adamax,
)

NADAM = Rule(
    name="nadam",
    summary="Adam with Nesterov's look-ahead: the step already uses the mean that it is about "
    "to have, with a momentum that grows to β₁.",
    formula="m, v as in Adam;  μₜ = β₁ (1 − ½ · 0.96^(ψt));  Π ← Π μₜ;  "
    "θ ← θ − η ((1−μₜ) g / (1−Π) + μₜ₊₁ m / (1 − Π μₜ₊₁)) / (√v̂ + ε)",
    reference="Dozat 2016, Incorporating Nesterov Momentum into Adam",
    hyperparameters=(
        learning_rate(2e-3, 1e-5, 0.1),
        BETA1,
        BETA2,
        EPSILON,
        fixed("momentum_decay", 4e-3, "How fast the momentum grows to beta1."),
    ),
    state=("mean", "square", "product"),
    coefficients=_nadam_coefficients,
    update=_nadam,
    start=_nadam_start,
)

RADAM = Rule(
    name="radam",
    summary="Adam that trusts its mean of squares by how many of them it has seen; "
    "its first steps are momentum's, which replaces warm-up.",
    formula="m, v as in Adam;  θ ← θ − η r m̂ √(1−β₂ᵗ) / (√v + ε), "
    "or θ − η m̂ while the mean of squares is too short to judge its spread",
    reference="Liu et al. 2019 (arXiv:1908.03265), algorithm 2",
    hyperparameters=ADAM.hyperparameters,
    state=("mean", "square"),
    coefficients=_radam_coefficients,
    update=_radam,
)
