"""Rungs: train many a little, the better ones longer, few to the end.

Each rung is a complete training with a schedule of its own length, from the first step to the
last: a schedule cut short would still hold its rate high, and the comparison favour whatever
decays early (Wu et al. 2018, arXiv:1803.02021). With a third of the epochs from rung to rung, a
trial that reaches the top has trained about half as much again as without rungs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.spec import StudySpec

FEWEST_STEPS = 20  # a trial that has made fewer by a rung has not started yet: it goes on unjudged
LOWER_RUNGS = 2  # at most: lower ones say too little about the last


@dataclass(frozen=True)
class Decision:
    """What a rung decided about one trial.

    Attributes:
        goes_on: whether it trains at the next rung.
        threshold: the value of the last trial that passed; None where nobody was judged.
        audited: whether it should have been dropped and goes on only to see whether that was right.
    """

    goes_on: bool
    threshold: float | None = None
    audited: bool = False


def ladder(spec: StudySpec, wave: int) -> list[int]:
    """The epochs of each rung, the last one being the budget's.

    Args:
        spec: a resolved spec.
        wave: the wave's number in the study; Hyperband's brackets take turns by it.
    """
    last, factor = spec.budget.epochs, _factor(spec)
    rungs = [math.ceil(last / factor**below) for below in range(_lower_rungs(spec, wave), -1, -1)]
    return sorted(set(rungs))


def decide(
    spec: StudySpec, numbers: Sequence[int], values: Sequence[float | None], sign: float
) -> list[Decision]:
    """Who goes on: the better trials, one in ``factor``, and some of the others by lot.

    Args:
        spec: a resolved spec.
        numbers: of the trials judged, within their study.
        values: what each has reached; None for diverged.
        sign: 1 where low values are good, -1 where high ones are.
    """
    ranked = sorted(
        (sign * value, number)
        for number, value in zip(numbers, values, strict=True)
        if value is not None
    )
    passed = ranked[: math.ceil(len(numbers) / _factor(spec))]
    kept = {number for _, number in passed}
    threshold = sign * passed[-1][0] if passed else None
    decisions = []
    for number, value in zip(numbers, values, strict=True):
        audited = number not in kept and value is not None and _drawn(spec, number)
        decisions.append(Decision(number in kept or audited, threshold, audited))
    return decisions


def fewest_rivals(spec: StudySpec) -> int:
    """How many trials a rung judges at least: with fewer even the best of them would be luck."""
    return _factor(spec)


def _factor(spec: StudySpec) -> int:
    return 2 if spec.rungs.rule == "median" else spec.rungs.factor


def _lower_rungs(spec: StudySpec, wave: int) -> int:
    match spec.rungs.rule:
        case "none":
            return 0
        case "hyperband":  # Li et al. 2018 (arXiv:1603.06560): from the boldest bracket to none
            return LOWER_RUNGS - wave % (LOWER_RUNGS + 1)
        case "median" | "halving":  # Jamieson & Talwalkar 2016 (arXiv:1502.07943)
            return LOWER_RUNGS


def _drawn(spec: StudySpec, number: int) -> bool:
    """Whether this trial is audited if it should be dropped: by lot, from the seed."""
    return bool(np.random.default_rng([spec.seed, number]).random() < spec.rungs.audited)
