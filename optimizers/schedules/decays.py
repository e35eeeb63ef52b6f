"""Schedules that begin at the peak and only ever fall; τ, ``progress``, runs from 0 to 1."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.rule import power
from optimizers.schedules.schedule import ROUNDING, WARMUP, Schedule, final, gamma


def _constant(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return torch.ones_like(progress)


def _linear(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return 1 - (1 - h["final"]) * progress


def _polynomial(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    left = 1 - (progress / h["until"]).clamp(max=1)
    return h["final"] + (1 - h["final"]) * power(left, h["power"])


def _cosine(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return h["final"] + (1 - h["final"]) * (1 + torch.cos(math.pi * progress)) / 2


def _rex(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return h["final"] + (1 - h["final"]) * (1 - progress) / (1 - progress / 2)


def _warmup_stable_decay(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    cooled = (progress - (1 - h["cooldown"])) / h["cooldown"]
    # A root would blow up what rounding leaves of a zero.
    cooled = torch.where(cooled > ROUNDING, cooled, 0)
    return h["final"] + (1 - h["final"]) * (1 - power(cooled, h["power"]))


def _step(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return power(h["gamma"], torch.floor(progress * (h["drops"] + 1) + ROUNDING))


def _multi_step(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    first, second, third = (
        (progress + ROUNDING >= h[name]).double() for name in ("first", "second", "third")
    )
    return power(h["gamma"], first + second + third)


def _exponential(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return power(h["final"], progress)


def _inverse_time(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return power(1 + h["decay"] * progress, -h["power"])


def _inverse_sqrt(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    """Differs from the paper: the time scale need not be that of the warm-up.

    Where they are equal, the factor is the paper's of one step before.
    """
    return 1 / torch.sqrt(1 + progress / h["timescale"])


def _milestone(name: str, default: float, low: float, high: float) -> Hyperparameter:
    return Hyperparameter(
        name,
        default,
        f"Share of the steps after warm-up at which the {name} drop comes; 1 for never.",
        low=low,
        high=high,
        maximum=1.0,
        source="Zagoruyko & Komodakis 2016 (0.3, 0.6, 0.8), widened",
    )


CONSTANT = Schedule(
    "constant",
    "The same learning rate throughout.",
    "1",
    "Robbins & Monro 1951",
    (WARMUP,),
    _constant,
)

LINEAR = Schedule(
    "linear",
    "Falls in a straight line to its final share.",
    "1 − (1−e) τ",
    "Defazio et al. 2023 (arXiv:2310.07831)",
    (final(), WARMUP),
    _linear,
)

POLYNOMIAL = Schedule(
    "polynomial",
    "Falls along a power of what is left, and may stay flat at its end.",
    "e + (1−e) (1 − min(τ/u, 1))^p",
    "Chen et al. 2016 (arXiv:1606.00915)",
    (
        Hyperparameter(
            "power",
            1.0,
            "Exponent p: 1 falls in a straight line, more falls early.",
            low=0.5,
            high=5.0,
            maximum=100.0,
            source="Sivaprasad et al. 2020",
        ),
        final(),
        Hyperparameter(
            "until",
            1.0,
            "Share u of the steps after warm-up at which the end is reached.",
            minimum=0.01,
            maximum=1.0,
        ),
        WARMUP,
    ),
    _polynomial,
)

COSINE = Schedule(
    "cosine",
    "Falls along half a cosine: slow, fast, slow.",
    "e + (1−e) (1 + cos πτ) / 2",
    "Loshchilov & Hutter 2016 (arXiv:1608.03983)",
    (final(), WARMUP),
    _cosine,
)

REX = Schedule(
    "rex",
    "Stays high for long and falls ever faster towards the end.",
    "e + (1−e) (1−τ) / (1−τ/2)",
    "Chen, Wolfe & Kyrillidis 2021 (arXiv:2107.04197)",
    (final(), WARMUP),
    _rex,
)

WARMUP_STABLE_DECAY = Schedule(
    "warmup_stable_decay",
    "Stays at its peak and cools down over the last share of the steps.",
    "e + (1−e) (1 − x^p), x = max(0, τ − (1−d)) / d",
    "Hu et al. 2024 (arXiv:2404.06395); cooldowns of Hägele et al. 2024 (arXiv:2405.18392)",
    (
        Hyperparameter(
            "cooldown",
            0.2,
            "Share d of the steps after warm-up over which the learning rate falls.",
            low=0.05,
            high=0.8,
            scale="log",
            minimum=0.001,
            maximum=1.0,
            source="Wen et al. 2025",
        ),
        Hyperparameter(
            "power",
            1.0,
            "Exponent p of the cooldown: 1 is a straight line, 0.5 is one minus the root.",
            low=0.5,
            high=2.0,
            scale="log",
            minimum=0.01,
            maximum=100.0,
            source="Hägele et al. 2024 (1, 0.5 and 2)",
        ),
        final(),
        WARMUP,
    ),
    _warmup_stable_decay,
)

STEP = Schedule(
    "step",
    "Drops by a factor at evenly spaced moments.",
    "γ^⌊τ (n+1)⌋",
    "He et al. 2015 (arXiv:1512.03385)",
    (
        gamma(0.1),
        Hyperparameter(
            "drops",
            2,
            "Number of drops.",
            low=1,
            high=3,
            minimum=1,
            maximum=100,
            whole=True,
            source="a half to a quarter of the steps between drops",
        ),
        WARMUP,
    ),
    _step,
)

MULTI_STEP = Schedule(
    "multi_step",
    "Drops by a factor at up to three chosen moments.",
    "γ^#{mᵢ ≤ τ}",
    "Zagoruyko & Komodakis 2016 (arXiv:1605.07146)",
    (
        gamma(0.2),
        _milestone("first", 0.3, 0.1, 0.5),
        _milestone("second", 0.6, 0.4, 0.8),
        _milestone("third", 0.8, 0.7, 1.0),
        WARMUP,
    ),
    _multi_step,
)

EXPONENTIAL = Schedule(
    "exponential",
    "Falls by the same factor at every step.",
    "e^τ",
    "common practice",
    (final(0.01, high=0.5, minimum=1e-12), WARMUP),
    _exponential,
)

INVERSE_TIME = Schedule(
    "inverse_time",
    "Falls with the inverse of the time passed, fast at first.",
    "(1 + kτ)^−p",
    "Robbins & Monro 1951; Bottou 2012",
    (
        Hyperparameter(
            "decay",
            10.0,
            "How much k the inverse learning rate grows by over the whole training, if p is 1.",
            low=1.0,
            high=1000.0,
            scale="log",
            maximum=1e6,
            source="1e-3 to 1 a step over a thousand steps",
        ),
        Hyperparameter(
            "power",
            1.0,
            "Exponent p.",
            low=0.5,
            high=1.0,
            maximum=100.0,
            source="Polyak & Juditsky 1992 (above a half, at most 1)",
        ),
        WARMUP,
    ),
    _inverse_time,
)

INVERSE_SQRT = Schedule(
    "inverse_sqrt",
    "Falls with the inverse square root of the time passed.",
    "1/√(1 + τ/s)",
    "Vaswani et al. 2017 (arXiv:1706.03762); Zhai et al. 2021 (arXiv:2106.04560)",
    (
        Hyperparameter(
            "timescale",
            0.1,
            "Share s of the steps after warm-up until the rate has fallen by a factor of √2.",
            low=0.01,
            high=1.0,
            scale="log",
            minimum=1e-6,
            maximum=1e6,
            source="the usual warm-up shares (0.01 to 0.2), widened",
        ),
        WARMUP,
    ),
    _inverse_sqrt,
)
