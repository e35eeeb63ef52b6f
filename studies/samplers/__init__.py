"""Samplers: what to try next, asked for whole waves.

Each is rebuilt from the stored trials alone; none keeps anything else between waves.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from optuna.trial import FrozenTrial

from studies.samplers.chance import Random, Sobol
from studies.samplers.cube import Cube
from studies.samplers.model import Model
from studies.samplers.tpe import TPE
from studies.space import Space
from studies.spec import StudySpec


class Sampler(Protocol):
    """Proposes the next trials of a study."""

    def propose(
        self, trials: Sequence[FrozenTrial], count: int, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Optuna's parameters of ``count`` new trials, given all that were asked for so far."""


def make_sampler(spec: StudySpec, space: Space) -> Sampler:
    """The sampler that a resolved spec names."""
    cube = Cube(space)
    match spec.sampler:
        case "random":
            return Random(cube)
        case "sobol":
            return Sobol(cube, spec.seed)
        case "tpe":
            return TPE(space, spec.goal)
        case "model":
            return Model(cube, spec.goal, spec.budget.trials)
