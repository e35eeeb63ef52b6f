"""Rules that ask for the sign of a gradient and not for its size."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.rule import Coefficients, Columns, Rule, State
from optimizers.rules.common import decay, fixed, learning_rate

_FAR = 1e30  # beyond every factor


def _signum(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean = state["mean"]
    mean.lerp_(gradient, c.new)
    weights.addcmul_(torch.sign(mean, out=gradient), c.rate, value=-1)


def _signum_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {"rate": h["learning_rate"], "new": 1 - h["momentum"]}


def _rprop(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    previous, size = state["previous"], state["size"]
    # Past the bounds where the signs agree or differ, 1 where either is 0; all of it in the
    # memory of the previous gradient, and without `torch.where`, which costs 20 times as much.
    change = previous.mul_(gradient).sign_().mul_(_FAR).add_(1)
    _clamp(change, c.shrink, c.grow)
    _clamp(size.mul_(change), c.smallest, c.largest)
    kept = torch.ge(change, 1, out=change)
    previous = kept.mul_(gradient)
    weights.addcmul_(torch.sign(previous, out=gradient), size, value=-1)


def _clamp(values: Tensor, low: Tensor, high: Tensor) -> None:
    torch.maximum(values, low, out=values)
    torch.minimum(values, high, out=values)


def _rprop_coefficients(t: Tensor, h: Columns) -> Coefficients:
    # The learning rate is the first step's size; the bounds make it so.
    first = h["learning_rate"].clamp(min=h["smallest"], max=h["largest"])
    return {
        "shrink": h["shrink"],
        "grow": h["grow"],
        "smallest": torch.where(t == 1, first, h["smallest"]),
        "largest": torch.where(t == 1, first, h["largest"]),
    }


SIGNUM = Rule(
    name="signum",
    summary="A step of the same length for every weight, against the sign of its mean gradient. "
    "Without momentum it is signSGD.",
    formula="m ← μ m + (1−μ) g;  θ ← θ − η sign(m)",
    reference="Bernstein, Wang, Azizzadenesheli & Anandkumar 2018 (arXiv:1802.04434), algorithm 2",
    hyperparameters=(
        learning_rate(1e-3, 1e-5, 0.1),
        decay("momentum", 0.9, 0.0, 0.99, "Share of the mean gradient kept at each step."),
    ),
    state=("mean",),
    coefficients=_signum_coefficients,
    update=_signum,
)

RPROP = Rule(
    name="rprop",
    summary="Each weight has a step of its own, which grows while its gradient keeps its sign "
    "and halves when it turns. Made for full batches; the learning rate is the first step.",
    formula="Δ ← Δ · (1.2 if g g₋₁ > 0; 0.5 and g ← 0 if g g₋₁ < 0), within its bounds;  "
    "θ ← θ − Δ sign(g)",
    reference="Riedmiller & Braun 1993; this form, iRprop⁻: Igel & Hüsken 2000",
    hyperparameters=(
        Hyperparameter(
            "learning_rate",
            0.01,
            "The first step of every weight.",
            low=1e-4,
            high=0.1,
            scale="log",
            source="Riedmiller & Braun 1993 (0.1), widened",
        ),
        Hyperparameter("shrink", 0.5, "Factor of a step whose gradient turned.", below=1.0),
        Hyperparameter("grow", 1.2, "Factor of one whose gradient did not.", minimum=1.0),
        fixed("smallest", 1e-6, "No step gets shorter."),
        fixed("largest", 50.0, "No step gets longer."),
    ),
    state=("previous", "size"),
    coefficients=_rprop_coefficients,
    update=_rprop,
    batches="full",
)
