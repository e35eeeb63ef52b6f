"""Rules that train one point and judge, or start from, another: averages instead of a schedule."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.layout import Layout
from optimizers.rule import Coefficients, Columns, Rule, State, power, square_root
from optimizers.rules.common import BETA2, EPSILON, WEIGHT_DECAY, decay, fixed, learning_rate


def _schedule_free_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {
        "rate": h["learning_rate"],
        "beta": h["beta"],
        "age": power(t, h["averaging_power"]),
        "back": 1 - 1 / h["beta"],
    }


def _schedule_free_adamw_coefficients(t: Tensor, h: Columns) -> Coefficients:
    root = (1 - power(h["beta2"], t)).sqrt()
    return {
        **_schedule_free_coefficients(t, h),
        "new_square": 1 - h["beta2"],
        "epsilon": h["epsilon"] * root,
        "root": root,
        "decay": h["weight_decay"],
    }


def _schedule_free_state(weights: Tensor) -> State:
    column = weights.new_zeros(len(weights), 1)
    return {"z": weights.clone(), "peak": column, "total": column.clone()}


def _schedule_free_start(weights: Tensor, layout: Layout) -> State:
    return _schedule_free_state(weights)


def _schedule_free_adamw_start(weights: Tensor, layout: Layout) -> State:
    return {**_schedule_free_state(weights), "square": torch.zeros_like(weights)}


def _schedule_free_step(weights: Tensor, step: Tensor, state: State, c: SimpleNamespace) -> None:
    """Move z by -η step and y to (1-β) z + β x, of which x is never stored."""
    z, peak, total = state["z"], state["peak"], state["total"]
    torch.maximum(peak, c.rate, out=peak)
    weight = c.age * peak * peak
    total.add_(weight)
    # The floor keeps a schedule that starts at a rate of zero from 0/0.
    share = weight / total.clamp(min=torch.finfo(total.dtype).tiny)
    weights.lerp_(z, share)
    weights.addcmul_(step, c.rate * (c.beta * (1 - share) - 1))
    z.addcmul_(step, c.rate, value=-1)


def _schedule_free_sgd(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    _schedule_free_step(weights, gradient, state, c)


def _schedule_free_adamw(
    weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace
) -> None:
    square = state["square"]
    spread = gradient * gradient
    square.lerp_(spread, c.new_square)
    square_root(square, out=spread).add_(c.epsilon)
    gradient.mul_(c.root).div_(spread).addcmul_(weights, c.decay)
    _schedule_free_step(weights, gradient, state, c)


def _schedule_free_average(weights: Tensor, state: State, c: SimpleNamespace) -> Tensor:
    """x, from y = (1-β) z + β x."""
    return torch.lerp(weights, state["z"], c.back)


def _madgrad_coefficients(t: Tensor, h: Columns) -> Coefficients:
    rate = h["learning_rate"]
    return {
        "weight": torch.where(rate > 0, rate + h["epsilon"], 0.0) * t.sqrt(),
        "new": 1 - h["momentum"],
        "epsilon": h["epsilon"],
    }


def _madgrad_start(weights: Tensor, layout: Layout) -> State:
    return {
        "start": weights.clone(),
        "total": torch.zeros_like(weights),
        "square": torch.zeros_like(weights),
    }


def _madgrad(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    total, square = state["total"], state["square"]
    weighted = gradient * c.weight
    total.add_(weighted)
    square.addcmul_(weighted, gradient)
    # The cube root by exp and log, as in `power`: zero stays zero.
    root = torch.log(square, out=gradient).div_(3).exp_().add_(c.epsilon)
    goal = torch.sub(state["start"], torch.div(total, root, out=root), out=weighted)
    weights.lerp_(goal, c.new)


BETA = Hyperparameter(
    "beta",
    0.9,
    "Share of the average, against the newest point, in where gradients are taken.",
    low=0.8,
    high=0.98,
    scale="log1m",
    minimum=1e-3,  # at 0 the average could not be told from what is trained
    below=1.0,
    source="Defazio et al. 2024 (0.9 to 0.98), widened",
)
AVERAGING_POWER = fixed(
    "averaging_power", 0.0, "Power of the step number by which later points weigh more."
)

SCHEDULE_FREE_SGD = Rule(
    name="schedule_free_sgd",
    summary="Gradient descent that is judged at the running average x of its points z and takes "
    "its gradients at θ, between the two. The average does a decaying schedule's work.",
    formula="θ = (1−β) z + β x;  z ← z − η g(θ);  x ← x + (w/Σw) (z − x) with w = t^r (max η)²;  "
    "θ ← (1−β) z + β x",
    reference="Defazio et al. 2024 (arXiv:2405.15682)",
    hyperparameters=(learning_rate(1.0, 1e-2, 50.0), BETA, AVERAGING_POWER),
    state=("z", "peak", "total"),
    coefficients=_schedule_free_coefficients,
    update=_schedule_free_sgd,
    start=_schedule_free_start,
    evaluation_point=_schedule_free_average,
)

SCHEDULE_FREE_ADAMW = Rule(
    name="schedule_free_adamw",
    summary="AdamW with schedule-free averaging in the place of its momentum: judged at the "
    "running average of its points, it needs no decaying schedule.",
    formula="v ← β₂ v + (1−β₂) g²;  z ← z − η (g / (√v̂ + ε) + λ θ);  "
    "x ← x + (w/Σw) (z − x) with w = t^r (max η)²;  θ ← (1−β) z + β x",
    reference="Defazio et al. 2024 (arXiv:2405.15682), algorithm 1",
    hyperparameters=(
        learning_rate(2.5e-3, 1e-4, 0.1),
        BETA,
        BETA2,
        EPSILON,
        WEIGHT_DECAY,
        AVERAGING_POWER,
    ),
    state=("z", "peak", "total", "square"),
    coefficients=_schedule_free_adamw_coefficients,
    update=_schedule_free_adamw,
    start=_schedule_free_adamw_start,
    evaluation_point=_schedule_free_average,
)

MADGRAD = Rule(
    name="madgrad",
    summary="Dual averaging with momentum: each step leads from the first weights along the "
    "weighted sum of all gradients, over the cube root of the sum of their squares.",
    formula="l = (η+ε) √t;  s ← s + l g;  v ← v + l g²;  θ ← μ θ + (1−μ) (θ₀ − s / (∛v + ε))",
    reference="Defazio & Jelassi 2021 (arXiv:2101.11075), algorithm 1",
    hyperparameters=(
        learning_rate(0.01, 1e-4, 0.3),
        decay("momentum", 0.9, 0.5, 0.98, "Share of the last weights kept at each step."),
        fixed("epsilon", 1e-6, "Keeps the division finite."),
    ),
    state=("start", "total", "square"),
    coefficients=_madgrad_coefficients,
    update=_madgrad,
    start=_madgrad_start,
)
