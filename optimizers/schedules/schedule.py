"""What a schedule is: a closed form over steps and trials at once, and the data that describe it.

A schedule's factor multiplies the peak learning rate. Warm-up comes before any of them: over
the first W steps the factor rises in a straight line to where the schedule begins, and the
schedule runs over what is left.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter

Factor = Callable[[Tensor, Mapping[str, Tensor]], Tensor]
"""``factor(progress, columns)``: progress τ (steps, k) in [0, 1]; columns (1, k) -> (steps, k).

Besides the hyperparameters, columns hold ``steps``: how many are left after warm-up.
"""

ROUNDING = 1e-9
"""Keeps what falls exactly on a step from slipping to the next: 0.29 * 100 is 28.999..."""

WARMUP = Hyperparameter(
    "warmup",
    0.0,
    "Share of all steps over which the learning rate rises to where its schedule begins.",
    low=0.0,
    high=0.2,
    below=1.0,
    source="AlgoPerf (0 to 0.1), widened",
)


@dataclass(frozen=True)
class Schedule:
    """One learning-rate schedule, by the name that users give it.

    Attributes:
        name: as users write it.
        summary: what it does, in one sentence.
        formula: the factor in plain notation; τ is the share of steps done after warm-up.
        reference: author and year, or the common name.
        hyperparameters: its own, and last ``warmup``.
        factor: the closed form.
        monotone: whether, after warm-up, it begins at the peak and never rises again.
        watches: whether a `Plateau` lowers its factor further, by the validation loss.
    """

    name: str
    summary: str
    formula: str
    reference: str
    hyperparameters: tuple[Hyperparameter, ...]
    factor: Factor
    monotone: bool = True
    watches: bool = False


def final(
    default: float = 0.0, low: float = 1e-4, high: float = 0.1, minimum: float = 0.0
) -> Hyperparameter:
    """The share of the peak at which a schedule ends."""
    return Hyperparameter(
        "final",
        default,
        "Share of the peak learning rate that is left at the end.",
        low=low,
        high=high,
        scale="log",
        minimum=minimum,
        maximum=1.0,
        source="from almost nothing up to the 0.1 that language models keep",
    )


def gamma(default: float, low: float = 0.05, high: float = 0.7) -> Hyperparameter:
    """What each drop multiplies the rate by."""
    return Hyperparameter(
        "gamma",
        default,
        "Factor of each drop.",
        low=low,
        high=high,
        scale="log",
        maximum=1.0,
        source="the usual 0.1 to 0.5, widened",
    )


def warm_up_steps(warmup: Tensor, total: int) -> Tensor:
    """How many whole steps the warm-up takes of all, for shares of any shape."""
    return torch.floor(warmup * total + ROUNDING)


def factors(schedule: Schedule, steps: Tensor, total: int, columns: Mapping[str, Tensor]) -> Tensor:
    """The factor of every trial at the given steps, warm-up included.

    Args:
        schedule: one schedule.
        steps: float64, (steps,): which steps, counted from 0.
        total: the number of steps of the whole training.
        columns: the schedule's hyperparameters, float64, each (k,).

    Returns:
        float64, (steps, k).
    """
    t = steps[:, None]
    h = {name: column[None, :] for name, column in columns.items()}
    warm = warm_up_steps(h["warmup"], total)
    h["steps"] = (total - warm).clamp(min=1)
    progress = ((t - warm) / h["steps"]).clamp(0, 1)
    rising = (t + 1) / warm.clamp(min=1) * schedule.factor(torch.zeros_like(warm), h)
    return torch.where(t < warm, rising, schedule.factor(progress, h))
