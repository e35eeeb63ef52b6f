"""Rules that find their step size by themselves, from how far the weights have come.

Their sums run over all numbers of a trial. The learning rate is a factor on the step size found,
best left at 1; a schedule multiplies it as ever.
"""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.layout import Layout, row_sums
from optimizers.rule import Coefficients, Columns, Rule, State, square_root
from optimizers.rules.common import BETA1, BETA2, EPSILON, fixed


def _columns(weights: Tensor, *names: str) -> State:
    """Numbers of whole trials, zero at first: each (k, 1)."""
    return {name: weights.new_zeros(len(weights), 1) for name in names}


def _norm(flat: Tensor) -> Tensor:
    """The Euclidean norm of each trial's numbers: (k, P) -> (k, 1)."""
    norm: Tensor = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
    return norm


def _sum(flat: Tensor) -> Tensor:
    """The sum of each trial's numbers: (k, P) -> (k, 1)."""
    return row_sums(flat).unsqueeze(1)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """Their quotient, and 0 where there is nothing below: no gradient was seen yet."""
    return torch.where(below == 0, 0.0, above / below)


def _dog_coefficients(t: Tensor, h: Columns) -> Coefficients:
    names = ("initial_reach", "epsilon")
    return {"rate": h["learning_rate"], **{name: h[name] for name in names if name in h}}


def _dog_start(weights: Tensor, layout: Layout) -> State:
    return {
        "start": weights.clone(),
        "scale": 1 + _norm(weights),
        **_columns(weights, "reach", "total"),
    }


def _reach(weights: Tensor, state: State, c: SimpleNamespace) -> Tensor:
    """The largest distance from the first weights so far, in place: (k, 1)."""
    distance = torch.maximum(_norm(weights - state["start"]), c.initial_reach * state["scale"])
    return torch.maximum(state["reach"], distance, out=state["reach"])


def _dog(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    reach, total = _reach(weights, state, c), state["total"]
    total.add_(_norm(gradient).square_())
    weights.sub_(gradient.mul_(c.rate * reach / (total + c.epsilon).sqrt()))


def _dowg(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    reach, total = _reach(weights, state, c), state["total"]
    total.add_((reach * _norm(gradient)).square_())
    weights.sub_(gradient.mul_(c.rate * _ratio(reach.square(), total.sqrt())))


def _prodigy_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {
        "rate": h["learning_rate"],
        "new": 1 - h["beta1"],
        "new_square": 1 - h["beta2"],
        "keep": h["beta2"].sqrt(),
        "epsilon": h["epsilon"],
        "factor": h["distance_factor"],
        "first": h["initial_distance"],
    }


def _prodigy_start(weights: Tensor, layout: Layout) -> State:
    numbers = {name: torch.zeros_like(weights) for name in ("mean", "square", "total")}
    return {"start": weights.clone(), **numbers, **_columns(weights, "distance", "gain")}


def _prodigy(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square, total, gain = (state[name] for name in ("mean", "square", "total", "gain"))
    distance = torch.maximum(state["distance"], c.first)
    rate = distance * c.rate
    weight = distance / c.first * rate
    spread = (state["start"] - weights).mul_(gradient)
    gain.mul_(c.keep).addcmul_(weight, _sum(spread))
    total.mul_(c.keep).addcmul_(gradient, weight)
    gradient.mul_(distance)
    mean.lerp_(gradient, c.new)
    square.lerp_(gradient.mul_(gradient), c.new_square)
    length = _sum(torch.abs(total, out=spread))
    farther = torch.maximum(distance, c.factor * _ratio(gain, length), out=state["distance"])
    square_root(square, out=spread).add_(farther * c.epsilon)
    weights.addcmul_(torch.div(mean, spread, out=spread), rate, value=-1)


def _dadapt_adam_coefficients(t: Tensor, h: Columns) -> Coefficients:
    root = h["beta2"].sqrt()
    return {
        "rate": h["learning_rate"],
        "new": 1 - h["beta1"],
        "new_square": 1 - h["beta2"],
        "keep": root,
        "new_total": 1 - root,
        "epsilon": h["epsilon"],
        "first": h["initial_distance"],
    }


def _dadapt_adam_start(weights: Tensor, layout: Layout) -> State:
    numbers = {name: torch.zeros_like(weights) for name in ("mean", "square", "total")}
    return {**numbers, **_columns(weights, "distance", "gain")}


def _dadapt_adam(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    mean, square, total, gain = (state[name] for name in ("mean", "square", "total", "gain"))
    distance = torch.maximum(state["distance"], c.first)
    rate = distance * c.rate
    spread = square_root(square).add_(c.epsilon)
    met = torch.div(total, spread, out=spread).mul_(gradient)
    gain.mul_(c.keep).addcmul_(c.new_total * rate, _sum(met))
    torch.mul(gradient, gradient, out=spread)
    square.lerp_(spread, c.new_square)
    gradient.mul_(rate)
    mean.lerp_(gradient, c.new)
    total.lerp_(gradient, c.new_total)
    length = _sum(torch.abs(total, out=spread))
    torch.maximum(distance, _ratio(gain, c.new_total * length), out=state["distance"])
    square_root(square, out=spread).add_(c.epsilon)
    weights.sub_(torch.div(mean, spread, out=spread))


def _factor(source: str) -> Hyperparameter:
    return Hyperparameter(
        "learning_rate",
        1.0,
        "Factor on the step size that the rule finds; the schedule multiplies it.",
        low=0.3,
        high=3.0,
        scale="log",
        source=f"around the 1 of {source}",
    )


def _positive(name: str, default: float, meaning: str) -> Hyperparameter:
    return Hyperparameter(name, default, meaning, minimum=1e-12)


INITIAL_REACH = _positive(
    "initial_reach", 1e-6, "First guess of how far to go, as a share of 1 + the weights' norm."
)
INITIAL_DISTANCE = _positive("initial_distance", 1e-6, "First guess of how far to go.")

DOG = Rule(
    name="dog",
    summary="Gradient descent whose step size is the distance over gradients: the farthest it "
    "has been from its start, over the root of the sum of squared gradients.",
    formula="r ← max(r, ‖θ − θ₀‖);  G ← G + ‖g‖²;  θ ← θ − η r / √(G + ε) · g",
    reference="Ivgi, Hinder & Carmon 2023 (arXiv:2302.12022)",
    hyperparameters=(_factor("Ivgi et al. 2023"), INITIAL_REACH, EPSILON),
    state=("start", "scale", "reach", "total"),
    coefficients=_dog_coefficients,
    update=_dog,
    stacking="reduction",
    start=_dog_start,
)

DOWG = Rule(
    name="dowg",
    summary="Distance over weighted gradients: as dog, but squared distances weigh the "
    "gradients, so that early ones, taken near the start, soon stop to count.",
    formula="r ← max(r, ‖θ − θ₀‖);  G ← G + r² ‖g‖²;  θ ← θ − η r² / √G · g",
    reference="Khaled, Mishchenko & Jin 2023 (arXiv:2305.16284), algorithm 1",
    hyperparameters=(_factor("Khaled et al. 2023"), INITIAL_REACH),
    state=("start", "scale", "reach", "total"),
    coefficients=_dog_coefficients,
    update=_dowg,
    stacking="reduction",
    start=_dog_start,
)

PRODIGY = Rule(
    name="prodigy",
    summary="Adam whose step size is an estimate d of the distance to the solution, which grows "
    "as the gradients agree with the way already gone.",
    formula="r ← √β₂ r + (d/d₀) d η ⟨g, θ₀ − θ⟩;  s ← √β₂ s + (d/d₀) d η g;  "
    "m ← β₁ m + (1−β₁) d g;  v ← β₂ v + (1−β₂) d² g²;  d⁺ = max(d, f r / ‖s‖₁);  "
    "θ ← θ − η d m / (√v + d⁺ ε);  d ← d⁺",
    reference="Mishchenko & Defazio 2023 (arXiv:2306.06101), algorithm 4",
    hyperparameters=(
        fixed(
            "learning_rate",
            1.0,
            "Factor on the step size that the rule finds; the schedule multiplies it.",
        ),
        BETA1,
        BETA2,
        EPSILON,
        Hyperparameter(
            "distance_factor",
            1.0,
            "Factor on the estimated distance.",
            low=0.5,
            high=2.0,
            scale="log",
            source="Mishchenko & Defazio 2023",
        ),
        INITIAL_DISTANCE,
    ),
    state=("start", "mean", "square", "total", "distance", "gain"),
    coefficients=_prodigy_coefficients,
    update=_prodigy,
    stacking="reduction",
    start=_prodigy_start,
)

DADAPT_ADAM = Rule(
    name="dadapt_adam",
    summary="Adam whose step size is D-Adaptation's lower bound d on the distance to the "
    "solution, which only grows.",
    formula="r ← √β₂ r + (1−√β₂) d η ⟨g, s / (√v + ε)⟩;  m ← β₁ m + (1−β₁) d η g;  "
    "v ← β₂ v + (1−β₂) g²;  s ← √β₂ s + (1−√β₂) d η g;  d ← max(d, r / ((1−√β₂) ‖s‖₁));  "
    "θ ← θ − m / (√v + ε)",
    reference="Defazio & Mishchenko 2023 (arXiv:2301.07733), algorithm 5",
    hyperparameters=(
        _factor("Defazio & Mishchenko 2023"),
        BETA1,
        BETA2,
        EPSILON,
        INITIAL_DISTANCE,
    ),
    state=("mean", "square", "total", "distance", "gain"),
    coefficients=_dadapt_adam_coefficients,
    update=_dadapt_adam,
    stacking="reduction",
    start=_dadapt_adam_start,
)
