"""Learning-rate schedules: closed forms over steps and trials at once.

A schedule's factor multiplies the peak learning rate. Warm-up comes before any of them: over
the first W steps the factor rises as (t+1)/W, and the schedule runs over what is left.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.errors import UnknownName
from optimizers.hyperparameters import Hyperparameter
from optimizers.rule import power

Factor = Callable[[Tensor, Mapping[str, Tensor]], Tensor]
"""``factor(progress, columns)``: progress (steps, k) in [0, 1]; columns (1, k) -> (steps, k)."""

WARMUP = Hyperparameter(
    "warmup",
    0.0,
    "Share of all steps over which the learning rate rises to its peak.",
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
    """

    name: str
    summary: str
    formula: str
    reference: str
    hyperparameters: tuple[Hyperparameter, ...]
    factor: Factor


def _constant(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return torch.ones_like(progress)


def _linear(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return 1 - (1 - h["final"]) * progress


def _step(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    # The 1e-9 keeps a drop that falls exactly on a step from slipping to the next one.
    return power(h["gamma"], torch.floor(progress * h["drops"].round().add(1) + 1e-9))


def _exponential(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return power(h["final"], progress)


def _cosine(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return h["final"] + (1 - h["final"]) * (1 + torch.cos(math.pi * progress)) / 2


def _final(default: float, low: float, high: float, minimum: float = 0.0) -> Hyperparameter:
    return Hyperparameter(
        "final",
        default,
        "Share of the peak learning rate that is left at the end.",
        low=low,
        high=high,
        scale="log",
        minimum=minimum,
        maximum=1.0,
    )


SCHEDULES: dict[str, Schedule] = {
    schedule.name: schedule
    for schedule in (
        Schedule(
            "constant",
            "The same learning rate throughout.",
            "1",
            "Robbins & Monro 1951",
            (WARMUP,),
            _constant,
        ),
        Schedule(
            "linear",
            "Falls in a straight line to its final share.",
            "1 − (1−e) τ",
            "Defazio et al. 2023 (arXiv:2310.07831)",
            (_final(0.0, 1e-4, 0.1), WARMUP),
            _linear,
        ),
        Schedule(
            "step",
            "Drops by a factor at evenly spaced moments.",
            "γ^⌊τ (n+1)⌋",
            "He et al. 2015 (arXiv:1512.03385)",
            (
                Hyperparameter(
                    "gamma",
                    0.1,
                    "Factor of each drop.",
                    low=0.05,
                    high=0.7,
                    scale="log",
                    maximum=1.0,
                ),
                Hyperparameter("drops", 2.0, "Number of drops.", minimum=1.0, maximum=100.0),
                WARMUP,
            ),
            _step,
        ),
        Schedule(
            "exponential",
            "Falls by the same factor at every step.",
            "e^τ",
            "common practice",
            (_final(0.01, 1e-4, 0.5, minimum=1e-12), WARMUP),
            _exponential,
        ),
        Schedule(
            "cosine",
            "Falls along half a cosine: slow, fast, slow.",
            "e + (1−e) (1 + cos πτ) / 2",
            "Loshchilov & Hutter 2016 (arXiv:1608.03983)",
            (_final(0.0, 1e-4, 0.1), WARMUP),
            _cosine,
        ),
    )
}


def find_schedule(name: str) -> Schedule:
    """The schedule of that name.

    Raises:
        UnknownName: there is none; the message offers the nearest names.
    """
    if name not in SCHEDULES:
        raise UnknownName("schedule", name, SCHEDULES)
    return SCHEDULES[name]


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
    warm = torch.floor(h["warmup"] * total + 1e-9)  # 0.29 * 100 is 28.999...
    progress = ((t - warm) / (total - warm)).clamp(0, 1)
    rising = (t + 1) / warm.clamp(min=1)
    return torch.where(t < warm, rising, schedule.factor(progress, h))
