"""What to try next: Optuna's samplers, asked for whole waves.

The study lives in memory and can be rebuilt at any time from its stored trials: the sampler of
a wave is made anew from the study's seed and the number of the wave's first trial.
"""

import warnings
from collections.abc import Sequence
from copy import copy

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from studies.space import Space
from studies.spec import MAXIMIZED, StudySpec

RANDOM_STARTS = 10  # trials sampled at random after the defaults, before a model is fitted


class Search:
    """The ask-and-tell side of a study.

    Args:
        spec: a resolved spec.
        trials: what is already known, in order of number, running trials among them.
    """

    def __init__(self, spec: StudySpec, trials: Sequence[FrozenTrial] = ()) -> None:
        self.spec = spec
        self.space = Space(spec)
        self._defaults = self.space.defaults()
        self._study = optuna.create_study(
            direction="maximize" if spec.metric in MAXIMIZED else "minimize",
            pruner=optuna.pruners.NopPruner(),
        )
        self._study.add_trials([_without_curve(trial) for trial in trials])
        self.asked = len(trials)

    def ask(self, count: int) -> list[FrozenTrial]:
        """The next trials, running: the defaults first, then what the sampler proposes."""
        self._study.sampler = self._sampler(first_trial=self.asked)
        for _ in range(count):
            if self.asked < len(self._defaults):
                self._study.enqueue_trial(self.space.params(self._defaults[self.asked]))
            self.space.suggest(self._study.ask())
            self.asked += 1
        return self._study.get_trials(deepcopy=False)[-count:]

    def tell(self, trials: Sequence[FrozenTrial]) -> None:
        """What came of trials that were asked for.

        A diverged trial is told as pruned without a value: the worst there is, to every sampler.
        """
        for trial in trials:
            self._study.tell(trial.number, trial.values, trial.state)

    @property
    def finished(self) -> int:
        """How many trials have ended."""
        return sum(t.state.is_finished() for t in self._study.get_trials(deepcopy=False))

    def best(self) -> FrozenTrial | None:
        """The best completed trial, if there is one."""
        completed = (TrialState.COMPLETE,)
        if not self._study.get_trials(deepcopy=False, states=completed):
            return None
        return self._study.best_trial

    def _sampler(self, first_trial: int) -> BaseSampler:
        seed = int(np.random.SeedSequence([self.spec.seed, first_trial]).generate_state(1)[0])
        if self.spec.sampler == "random":
            return RandomSampler(seed=seed)
        with warnings.catch_warnings():
            # Experimental in name only: it keeps the trials of a wave apart.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return TPESampler(
                seed=seed,
                multivariate=False,
                constant_liar=True,
                n_startup_trials=len(self._defaults) + RANDOM_STARTS,
            )


def _without_curve(trial: FrozenTrial) -> FrozenTrial:
    """As `tell` leaves a trial: samplers rank diverged trials by their curves if they see them."""
    bare = copy(trial)
    bare.intermediate_values = {}
    return bare
