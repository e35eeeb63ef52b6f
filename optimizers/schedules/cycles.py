"""Schedules that rise: to a peak within the training, or again and again."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.rule import power
from optimizers.schedules.schedule import ROUNDING, WARMUP, Schedule, final


def _cosine_restarts(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    """Differs from the paper: the first cycle's length follows from the last one ending at T."""
    growth = h["growth"]
    steady = growth == 1
    ratio = torch.where(steady, 2, growth)  # any number but 1, where it goes unused

    def begun(cycle: Tensor) -> Tensor:
        """When a cycle begins, in lengths of the first; powers of whole numbers are whole."""
        return torch.where(steady, cycle, (power(ratio, cycle).round() - 1) / (ratio - 1))

    passed = progress * begun(h["cycles"])
    grown = torch.log(passed * (ratio - 1) + 1) / torch.log(ratio)
    cycle = torch.floor(torch.where(steady, passed, grown) + ROUNDING)
    inside = (passed - begun(cycle)) / power(growth, cycle).round()
    return h["final"] + (1 - h["final"]) * (1 + torch.cos(math.pi * inside.clamp(0, 1))) / 2


def _one_cycle(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    """Differs from the paper: momentum stays as it is; two phases along cosines, as torch has it.

    As torch has it too, the last step is taken at the final share.
    """
    top = h["rise"] * h["steps"] - 1
    last = (h["steps"] - 1 - top).clamp(min=ROUNDING)
    step = progress * h["steps"]
    rising = 1 + (h["start"] - 1) * (1 + torch.cos(math.pi * step / top)) / 2
    falling = torch.cos(math.pi * ((step - top) / last).clamp(0, 1))
    return torch.where(step < top, rising, h["final"] + (1 - h["final"]) * (1 + falling) / 2)


def _slanted_triangular(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    """Differs from the paper: the peak need not fall on a whole step."""
    before = progress / h["rise"]
    after = (1 - progress) / (1 - h["rise"])
    return h["start"] + (1 - h["start"]) * torch.where(progress < h["rise"], before, after)


def _cyclic(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    passed = progress * h["cycles"]
    cycle = torch.floor(passed + ROUNDING)
    height = 1 - (2 * (passed - cycle) - 1).abs()
    return h["base"] + (1 - h["base"]) * height.clamp(min=0) * power(h["gamma"], cycle)


def _cycles(default: int, low: int, high: int, maximum: int, source: str) -> Hyperparameter:
    return Hyperparameter(
        "cycles",
        default,
        "Number of cycles; the last ends with the training.",
        low=low,
        high=high,
        minimum=1,
        maximum=maximum,
        whole=True,
        source=source,
    )


def _rise(default: float, low: float, high: float, source: str) -> Hyperparameter:
    return Hyperparameter(
        "rise",
        default,
        "Share p of the steps after warm-up over which the learning rate rises to its peak.",
        low=low,
        high=high,
        below=1.0,
        source=source,
    )


def _start(default: float, high: float, source: str) -> Hyperparameter:
    return Hyperparameter(
        "start",
        default,
        "Share s of the peak learning rate that it begins with.",
        low=0.01,
        high=high,
        scale="log",
        minimum=1e-6,
        maximum=1.0,
        source=source,
    )


COSINE_RESTARTS = Schedule(
    "cosine_restarts",
    "Falls along half a cosine several times, each time from the peak again.",
    "e + (1−e) (1 + cos πc) / 2, c = what is done of a cycle; each is M times as long as the last",
    "Loshchilov & Hutter 2016 (arXiv:1608.03983)",
    (
        _cycles(3, 2, 5, 20, "Loshchilov & Hutter 2016"),
        Hyperparameter(
            "growth",
            2,
            "How many times as long as the one before each cycle is.",
            low=1,
            high=2,
            minimum=1,
            maximum=10,
            whole=True,
            source="Loshchilov & Hutter 2016",
        ),
        final(),
        WARMUP,
    ),
    _cosine_restarts,
    monotone=False,
)

ONE_CYCLE = Schedule(
    "one_cycle",
    "Rises to its peak and falls far below where it began, with the momentum left as it is.",
    "1 + (s−1) (1 + cos πx) / 2 up to the peak, x = t / (p T − 1); then e + (1−e) (1 + cos πx) / 2, "
    "x = (t − p T + 1) / (T − p T)",
    "Smith & Topin 2017 (arXiv:1708.07120)",
    (
        _rise(0.3, 0.1, 0.5, "around fastai's 0.25 and torch's 0.3"),
        _start(0.04, 0.2, "around torch's 1/25"),
        final(4e-6, 1e-6, 0.01),
        WARMUP,
    ),
    _one_cycle,
    monotone=False,
)

SLANTED_TRIANGULAR = Schedule(
    "slanted_triangular",
    "Rises quickly and falls slowly back to where it began, both in straight lines.",
    "s + (1−s) min(τ/p, (1−τ)/(1−p))",
    "Howard & Ruder 2018 (arXiv:1801.06146)",
    (
        _rise(0.1, 0.02, 0.3, "around Howard & Ruder's 0.1"),
        _start(1 / 32, 0.1, "around Howard & Ruder's 1/32"),
        WARMUP,
    ),
    _slanted_triangular,
    monotone=False,
)

CYCLIC = Schedule(
    "cyclic",
    "Rises to a peak and falls again in straight lines, the peaks the same or ever lower.",
    "b + (1−b) (1 − |2x−1|) γ^c, c = cycles done, x = what is done of this one",
    "Smith 2015 (arXiv:1506.01186)",
    (
        Hyperparameter(
            "base",
            0.25,
            "Share b of the peak learning rate at which each cycle begins and ends.",
            low=0.1,
            high=0.5,
            minimum=1e-6,
            maximum=1.0,
            source="Smith 2015 (a third to a quarter), widened",
        ),
        _cycles(3, 1, 5, 1000, "Smith 2015 (half a cycle of 2 to 8 epochs)"),
        Hyperparameter(
            "gamma",
            1.0,
            "Factor of each further peak's height above the base: 1 is Smith's triangular, "
            "0.5 his triangular2.",
            low=0.5,
            high=1.0,
            maximum=1.0,
            source="Smith 2015",
        ),
        WARMUP,
    ),
    _cyclic,
    monotone=False,
)
