"""Which optimizer is quick across studies: performance profiles, as AlgoPerf ranks by.

Dolan & Moré 2002, Benchmarking Optimization Software with Performance Profiles; Dahl et al. 2023,
Benchmarking Neural Network Training Algorithms, arXiv:2306.07179. A study is a workload; an
optimizer's time is the epoch at which its best trial first reaches the study's target. Epochs
are the same whoever trains, seconds are not; that one rule asks for more gradients a step than
another does not show in them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite

from pydantic import BaseModel, ConfigDict

TARGET = 0.95
"""Of the way from the untrained score to the best that any optimizer reached. AlgoPerf's targets
are set by hand, as what the best of its baselines reach within the budget."""

LARGEST_RATIO = 4.0
"""Where a profile ends, as AlgoPerf's does."""

_RATIOS = [1 + n / 10 for n in range(31)]  # to LARGEST_RATIO


@dataclass(frozen=True)
class Workload:
    """What one study says.

    Attributes:
        curves: by optimizer, the study's metric by epoch of its best trial; empty if it took part
            but no trial of it was trained to the end.
        untrained: the metric before the first step.
        maximize: whether more is better.
    """

    curves: Mapping[str, Mapping[int, float]]
    untrained: float
    maximize: bool

    def epochs(self) -> dict[str, float]:
        """When each optimizer reached the target, inf for never; empty if nobody learned."""
        sign = -1.0 if self.maximize else 1.0
        start = sign * self.untrained
        scores = (sign * score for c in self.curves.values() for score in c.values())
        best = min(filter(isfinite, scores), default=inf)
        if not best < start < inf:
            return {}
        target = start + TARGET * (best - start)
        return {
            name: min((epoch for epoch, score in c.items() if sign * score <= target), default=inf)
            for name, c in self.curves.items()
        }


class _Finite(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class OptimizerProfile(_Finite):
    """How quick one optimizer is.

    Attributes:
        studies: it took part in.
        reached: the target in so many of them.
        fractions: of its studies, in which it took at most `Profile.ratios` times as many epochs
            as the quickest.
        area: under them, 1 if it is the quickest everywhere and 0 if it never reaches a target;
            AlgoPerf's score, by the exact integral.
    """

    optimizer: str
    studies: int
    reached: int
    fractions: list[float]
    area: float


class Profile(_Finite):
    """Performance profiles over studies.

    Attributes:
        studies: in which two optimizers or more took part and one of them learned.
        target: the share of the way to the best that counts as reaching it.
        ratios: of epochs to those of the quickest.
        optimizers: largest area first. Those that took part in different studies were measured
            against different rivals.
    """

    studies: int
    target: float
    ratios: list[float]
    optimizers: list[OptimizerProfile]


def profile(workloads: Iterable[Workload]) -> Profile:
    """The performance profile of every optimizer."""
    ratios: dict[str, list[float]] = {}
    studies = 0
    for workload in workloads:
        epochs = workload.epochs()
        if len(epochs) < 2:
            continue
        studies += 1
        quickest = min(epochs.values())
        for name, taken in epochs.items():
            ratios.setdefault(name, []).append(taken / quickest)
    found = [_profile(name, each) for name, each in ratios.items()]
    found.sort(key=lambda one: (-one.area, one.optimizer))
    return Profile(studies=studies, target=TARGET, ratios=_RATIOS, optimizers=found)


def _profile(optimizer: str, ratios: list[float]) -> OptimizerProfile:
    n = len(ratios)
    room = LARGEST_RATIO - 1
    return OptimizerProfile(
        optimizer=optimizer,
        studies=n,
        reached=sum(ratio < inf for ratio in ratios),
        fractions=[sum(ratio <= limit for ratio in ratios) / n for limit in _RATIOS],
        area=sum(max(LARGEST_RATIO - ratio, 0.0) for ratio in ratios) / room / n,
    )
