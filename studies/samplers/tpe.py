"""Optuna's TPE, as a peer and as a choice."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial

from studies.space import Space
from studies.spec import Goal

RANDOM_STARTS = 10  # trials that come before a model is fitted, besides the defaults


class TPE:
    """Tree-structured Parzen estimators (Bergstra et al. 2011), one parameter at a time.

    Args:
        space: which configurations there are.
        goal: the study's.
    """

    def __init__(self, space: Space, goal: Goal) -> None:
        self._space, self._goal = space, goal

    def propose(
        self, trials: Sequence[FrozenTrial], count: int, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Parameters of the next trials."""
        with warnings.catch_warnings():
            # Experimental in name only: it keeps the trials of a wave apart.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = TPESampler(
                seed=int(rng.integers(2**32)),
                multivariate=False,
                constant_liar=True,
                n_startup_trials=len(self._space.defaults()) + RANDOM_STARTS,
            )
        study = optuna.create_study(direction=self._goal.direction, sampler=sampler)
        study.add_trials([self._as_ranked(trial) for trial in trials])
        asked = []
        for _ in range(count):
            asked.append(study.ask())
            self._space.suggest(asked[-1])
        return [trial.params for trial in asked]

    def _as_ranked(self, trial: FrozenTrial) -> FrozenTrial:
        """As TPE ranks it: a dropped trial by its rung, a diverged one as the worst there is."""
        rung = trial.user_attrs.get("dropped_at")
        return optuna.trial.create_trial(
            state=trial.state,
            values=trial.values,
            params=trial.params,
            distributions=self._space.distributions(trial.params),  # the study's may be wider
            intermediate_values={}
            if rung is None
            else {rung: trial.user_attrs["metrics"][self._goal.name]},
        )
