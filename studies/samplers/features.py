"""What the model sees of a configuration: numbers whose distances mean something.

Learning rates of all optimizers share one feature, in decades from each one's default, so that
what one of them shows tells something about the others. Choices are one-hot; every other
hyperparameter is centred in its range, and at the centre where it does not exist.
"""

import math

import numpy as np
from numpy.typing import NDArray

from studies.samplers.cube import Cube, Number, Points

RATE, CHOICE, SHARED, OF_ONE = 0, 1, 4, 5
"""Groups of features with one length scale each: the learning rate; one a choice; what several
optimizers or schedules have; what one optimizer has; behind it what one schedule has."""


class Features:
    """The features of a cube's points.

    Attributes:
        groups: the group of each feature, (features,).
    """

    def __init__(self, cube: Cube) -> None:
        self._cube = cube
        numbered = list(enumerate(cube.numbers, len(cube.choices)))
        rates = [(at, axis) for at, axis in numbered if _is_rate(axis)]
        others = [(at, axis) for at, axis in numbered if not _is_rate(axis)]
        self._rates, self._others = [at for at, _ in rates], [at for at, _ in others]
        ends = [[_decades(axis, end) for end in (0.0, 1.0)] for _, axis in rates]
        self._from, self._to = np.reshape(ends, (-1, 2)).T  # some keep theirs
        self.groups: NDArray[np.int64] = np.array(
            [
                RATE,
                *(CHOICE + at for at, choice in enumerate(cube.choices) for _ in choice.values),
                *(
                    OF_ONE + axis.owners[0][0] if len(axis.owners) == 1 else SHARED
                    for _, axis in others
                ),
            ]
        )

    def __call__(self, points: Points) -> NDArray[np.float64]:
        """(n, axes) -> (n, features)."""
        # One optimizer a point, so one learning rate.
        rate = np.nansum(self._from + (self._to - self._from) * points[:, self._rates], axis=1)
        chosen = [
            np.arange(len(choice.values)) == positions[:, None]
            for choice, positions in zip(
                self._cube.choices, self._cube.chosen(points).T, strict=True
            )
        ]
        return np.column_stack([rate, *chosen, np.nan_to_num(points[:, self._others] - 0.5)])


def _is_rate(axis: Number) -> bool:
    return axis.hyperparameter.name == "learning_rate"


def _decades(axis: Number, place: float) -> float:
    return math.log10(axis.from_unit(place) / axis.hyperparameter.default)
