"""The ask-and-tell side of a study: defaults first, then what its sampler proposes.

Everything follows from the stored trials: the numbers that a wave is drawn with are made from the
study's seed and the number of the wave's first trial.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from studies.budget import limit_met
from studies.samplers import make_sampler
from studies.space import Space
from studies.spec import MAXIMIZED, StudySpec


class Search:
    """What a study has tried, and what it tries next.

    Args:
        spec: a resolved spec.
        trials: what is already known, in order of number, running trials among them.
    """

    def __init__(self, spec: StudySpec, trials: Sequence[FrozenTrial] = ()) -> None:
        self.spec = spec
        self.space = Space(spec)
        self._defaults = self.space.defaults()
        self._sampler = make_sampler(spec, self.space)
        self._trials = list(trials)

    @property
    def asked(self) -> int:
        """How many trials were asked for so far."""
        return len(self._trials)

    @property
    def finished(self) -> int:
        """How many trials have ended."""
        return sum(trial.state.is_finished() for trial in self._trials)

    def ended(self, seconds: float) -> bool:
        """Whether nothing more may be asked for after so many seconds."""
        return limit_met(self.spec, self._trials, seconds) is not None

    def ask(self, count: int) -> list[FrozenTrial]:
        """The next trials, running."""
        first = self.asked
        wave = self._trials[-1].user_attrs["wave"] + 1 if self._trials else 0
        rng = np.random.default_rng([self.spec.seed, first])
        for configuration in self._defaults[first : first + count]:
            self._start(self.space.params(configuration), wave)
        if missing := first + count - self.asked:
            for params in self._sampler.propose(self._trials, missing, rng):
                self._start(params, wave)
        return self._trials[first:]

    def _start(self, params: dict[str, Any], wave: int) -> None:
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=self.space.distributions(params),
            user_attrs={"wave": wave},
        )
        trial.number = self.asked
        trial.datetime_start = datetime.now()  # local and without a zone: Optuna's convention
        self._trials.append(trial)

    def tell(self, trials: Sequence[FrozenTrial]) -> None:
        """What came of trials that were asked for."""
        for trial in trials:
            self._trials[trial.number] = trial

    def best(self) -> FrozenTrial | None:
        """The best completed trial, if there is one; of equals the first."""
        completed = [trial for trial in self._trials if trial.state == TrialState.COMPLETE]
        sign = -1 if self.spec.metric in MAXIMIZED else 1
        return min(completed, key=lambda trial: sign * trial.values[0], default=None)
