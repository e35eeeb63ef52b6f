"""Rules whose steps heed the sign of the newest gradient."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.layout import Layout
from optimizers.rule import Rule, State, square_root
from optimizers.rules.adam import ADAM, ADAMW
from optimizers.rules.common import BETA1, BETA2, fixed, learning_rate
from optimizers.rules.lion import LION

LIANG = "Liang et al. 2024 (arXiv:2411.16085)"


def cautious(direction: Tensor, gradient: Tensor, layout: Layout) -> Tensor:
    """The direction without what the newest gradient contradicts, made up for in size.

    In place; the gradient's memory is lost.

    Args:
        direction: where a rule would go, and steps against: (k, P).
        gradient: the newest: (k, P).
        layout: of a row; every tensor's part grows by what it lost, at most a thousandfold.
    """
    agree = gradient.mul_(direction).gt_(0)
    share = layout.means(agree).clamp_(min=1e-3)  # (k, tensors)
    return direction.mul_(agree).div_(layout.spread(share))


def _cautious_adamw(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    direction = gradient * gradient
    mean.lerp_(gradient, c.new)
    square.lerp_(direction, c.new_square)
    spread = square_root(square, out=direction, times=c.slowness).add_(c.epsilon)
    step = cautious(torch.div(mean, spread, out=spread), gradient, c.layout)
    weights.mul_(c.keep).sub_(step)


def _cautious_lion(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean = state["mean"]
    direction = torch.lerp(mean, gradient, c.blend).sign_()
    mean.lerp_(gradient, c.new)
    direction = cautious(direction, gradient, c.layout)
    weights.mul_(c.keep).addcmul_(direction, c.rate, value=-1)


def _grams(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square = state["mean"], state["square"]
    size = gradient * gradient
    mean.lerp_(gradient, c.new)
    square.lerp_(size, c.new_square)
    spread = square_root(square, out=size, times=c.slowness).add_(c.epsilon)
    step = torch.div(mean, spread, out=spread).abs_()
    weights.addcmul_(step, gradient.sign_(), value=-1)


CAUTIOUS_ADAMW = Rule(
    name="cautious_adamw",
    summary="AdamW that leaves out every part of its step that the newest gradient contradicts, "
    "and enlarges the rest by as much.",
    formula="u = m̂ / (√v̂ + ε) as in AdamW;  a = [u g > 0];  "
    "θ ← (1 − η λ) θ − η a u / max(mean(a), 0.001), the mean over each tensor",
    reference=f"{LIANG}, algorithm 1",
    hyperparameters=ADAMW.hyperparameters,
    state=("mean", "square"),
    coefficients=ADAMW.coefficients,
    update=_cautious_adamw,
    stacking="reduction",
)

CAUTIOUS_LION = Rule(
    name="cautious_lion",
    summary="Lion that leaves out every part of its step that the newest gradient contradicts, "
    "and enlarges the rest by as much.",
    formula="u = sign(β₁ m + (1−β₁) g) as in Lion;  a = [u g > 0];  "
    "θ ← (1 − η λ) θ − η a u / max(mean(a), 0.001), the mean over each tensor",
    reference=f"{LIANG}, algorithm 2",
    hyperparameters=LION.hyperparameters,
    state=("mean",),
    coefficients=LION.coefficients,
    update=_cautious_lion,
    stacking="reduction",
)

GRAMS = Rule(
    name="grams",
    summary="Takes the size of its step from Adam and the direction from the newest gradient.",
    formula="m, v as in Adam;  θ ← θ − η sign(g) |m̂ / (√v̂ + ε)|",
    reference="Cao et al. 2024 (arXiv:2412.17107)",
    hyperparameters=(
        learning_rate(1e-3, 1e-5, 0.1),
        BETA1,
        BETA2,
        fixed("epsilon", 1e-6, "Keeps the division finite."),
    ),
    state=("mean", "square"),
    coefficients=ADAM.coefficients,
    update=_grams,
)
