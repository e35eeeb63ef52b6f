"""Samplers that learn nothing: independent draws, and draws that keep their distance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial
from scipy.stats import qmc

from studies.samplers.cube import Cube


class Random:
    """Independent draws, even along every axis."""

    def __init__(self, cube: Cube) -> None:
        self._cube = cube

    def propose(
        self, trials: Sequence[FrozenTrial], count: int, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Parameters of the next trials."""
        return self._cube.params(rng.random((count, len(self._cube.axes))))


class Sobol:
    """A scrambled Sobol sequence: trial n is always its n-th point (Owen 1998).

    Args:
        cube: of the space.
        seed: of the scrambling.
    """

    def __init__(self, cube: Cube, seed: int) -> None:
        self._cube, self._seed = cube, seed

    def propose(
        self, trials: Sequence[FrozenTrial], count: int, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Parameters of the next trials."""
        sequence = qmc.Sobol(len(self._cube.axes), rng=np.random.default_rng(self._seed))
        sequence.fast_forward(len(trials))
        return self._cube.params(sequence.random(count))
