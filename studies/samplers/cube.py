"""Every configuration of a space as a point in the unit cube, and back.

One axis for each of Optuna's parameters, the choices first. A point has NaN on the axes that its
own choices switch off (Adam's betas where the optimizer is sgd).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution, IntDistribution

from optimizers.hyperparameters import Hyperparameter
from optimizers.registry import RULES
from optimizers.schedules import SCHEDULES
from studies.space import Space

Point = NDArray[np.float64]
"""(axes,) in [0, 1], NaN on axes that are switched off."""

Points = NDArray[np.float64]
"""(n, axes), likewise."""

Owners = tuple[tuple[int, int], ...]
"""``(axis, position)`` of the choices that switch an axis on; empty for always on."""

_ALMOST_ONE = math.nextafter(1.0, 0.0)


@dataclass(frozen=True)
class Choice:
    """An axis cut into equal parts, one for each value."""

    name: str
    values: Sequence[Any]
    owners: Owners = ()

    def to_unit(self, value: Any) -> float:
        """The middle of the value's part."""
        return (self.values.index(value) + 0.5) / len(self.values)

    def from_unit(self, number: float) -> Any:
        """The value of the part that the number is in."""
        return self.values[int(min(number, _ALMOST_ONE) * len(self.values))]


@dataclass(frozen=True)
class Number:
    """An axis along a hyperparameter's range, on its scale."""

    name: str
    distribution: FloatDistribution | IntDistribution
    hyperparameter: Hyperparameter
    owners: Owners = ()

    @cached_property
    def ends(self) -> tuple[float, float]:
        """What 0 and 1 stand for; a whole number owns a stretch of its own, unless on a log."""
        d = self.distribution
        if d.log:
            return math.log(d.low), math.log(d.high)
        return float(d.low), float(d.high) + isinstance(d, IntDistribution)

    def to_unit(self, value: float) -> float:
        """Where a value is."""
        d, (low, high) = self.distribution, self.ends
        place = math.log(value) if d.log else value
        if isinstance(d, IntDistribution) and not d.log:
            place += 0.5  # the middle of its stretch
        return min(max((place - low) / (high - low), 0.0), 1.0)

    def from_unit(self, number: float) -> float:
        """The value at a place."""
        d, (low, high) = self.distribution, self.ends
        value = low + min(number, _ALMOST_ONE) * (high - low)
        if d.log:
            value = math.exp(value)
        if isinstance(d, IntDistribution):
            value = round(value) if d.log else math.floor(value)
        return min(max(value, d.low), d.high)


class Cube:
    """The unit cube of a space.

    Attributes:
        choices: the first axes.
        numbers: the axes behind them.
    """

    def __init__(self, space: Space) -> None:
        self.choices = _choices(space)
        self.numbers = _numbers(space)
        self.axes: tuple[Choice | Number, ...] = (*self.choices, *self.numbers)
        self._place = {axis.name: place for place, axis in enumerate(self.axes)}

    def point(self, params: Mapping[str, Any]) -> Point:
        """Where these Optuna parameters are."""
        point = np.full(len(self.axes), np.nan)
        for name, value in params.items():
            place = self._place[name]
            point[place] = self.axes[place].to_unit(value)
        return point

    def params(self, points: Points) -> list[dict[str, Any]]:
        """The Optuna parameters at points, which may have numbers on switched-off axes too."""
        return [
            {
                self.axes[place].name: self.axes[place].from_unit(number)
                for place, number in enumerate(point)
                if not math.isnan(number)
            }
            for point in self.switched(points).tolist()
        ]

    def chosen(self, points: Points) -> NDArray[np.int64]:
        """The position of each point's choices, -1 where switched off: (n, choices)."""
        sizes = np.array([len(choice.values) for choice in self.choices])
        positions = np.minimum(np.floor(points[:, : len(sizes)] * sizes), sizes - 1)
        return np.asarray(np.nan_to_num(positions, nan=-1.0), dtype=np.int64)

    @property
    def has_single(self) -> bool:
        """Whether there are points that train on single samples."""
        return "single" in self.choices[self._place["batch"]].values

    def single(self, points: Points) -> NDArray[np.bool_]:
        """Whether each point trains on single samples: (n,)."""
        if not self.has_single:
            return np.zeros(len(points), np.bool_)
        place = self._place["batch"]
        single = self.choices[place].values.index("single")
        return np.asarray(self.chosen(points)[:, place] == single, np.bool_)

    def switched(self, points: Points) -> Points:
        """A copy with NaN wherever a point's own choices switch an axis off."""
        points, chosen = points.copy(), self.chosen(points)
        for place, axis in enumerate(self.axes):
            if axis.owners:
                on = [chosen[:, owner] == position for owner, position in axis.owners]
                points[~np.any(on, axis=0), place] = np.nan
        return points


def mirrored(points: Points) -> Points:
    """Points from outside the cube as mirrors at its faces would have them; NaN stays.

    Cut off there instead, most of what is drawn near a face would lie on it.
    """
    return 1.0 - np.abs(1.0 - np.abs(points) % 2.0)


def _choices(space: Space) -> tuple[Choice, ...]:
    free = [(0, at) for at, name in enumerate(space.optimizers) if RULES[name].batches is None]
    return (
        Choice("optimizer", space.optimizers),
        Choice("schedule", space.schedules),
        # Optimizers made for one kind of batch leave no choice.
        Choice("batch", space.batches, tuple(free) if len(free) < len(space.optimizers) else ()),
    )


def _numbers(space: Space) -> tuple[Number, ...]:
    declared = [
        *((0, at, name, RULES[name].hyperparameters) for at, name in enumerate(space.optimizers)),
        *(
            (1, at, name, SCHEDULES[name].hyperparameters)
            for at, name in enumerate(space.schedules)
        ),
    ]
    numbers: dict[str, Number] = {}
    for choice, position, owner, hyperparameters in declared:
        for h, name, distribution in space.searched(owner, hyperparameters):
            others = numbers[name].owners if name in numbers else ()
            numbers[name] = Number(name, distribution, h, (*others, (choice, position)))
    return tuple(numbers.values())
