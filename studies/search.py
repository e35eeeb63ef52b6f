"""The ask-and-tell side of a study: defaults first, then what its sampler proposes.

Everything follows from the stored trials: the numbers that a wave is drawn with are made from the
study's seed and the number of the wave's first trial.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from studies.budget import limit_met
from studies.samplers import make_sampler
from studies.space import Space
from studies.spec import MAXIMIZED, BudgetSpec, StudySpec


class _Contest:
    """A sampler and what it may choose from: all optimizers, or one that is compared."""

    def __init__(self, spec: StudySpec) -> None:
        self.space = Space(spec)
        self.defaults = self.space.defaults()
        self.sampler = make_sampler(spec, self.space)


def _apart(spec: StudySpec, space: Space) -> list[StudySpec]:
    """A spec of each optimizer alone if they are compared, else the spec itself.

    One sampler for all would give the early leader most of the trials, and nobody could tell
    whether the others lost to it or to their budget.
    """
    if spec.question == "search":
        return [spec]
    return [
        spec.model_copy(update={"space": spec.space.model_copy(update={"optimizers": [name]})})
        for name in space.optimizers
    ]


class Search:
    """What a study has tried, and what it tries next.

    Args:
        spec: a resolved spec.
        trials: what is already known, in order of number, running trials among them.
    """

    def __init__(self, spec: StudySpec, trials: Sequence[FrozenTrial] = ()) -> None:
        self.spec = spec
        self.space = Space(spec)
        self._contests = [_Contest(one) for one in _apart(spec, self.space)]
        self._trials = list(trials)

    @property
    def trials(self) -> Sequence[FrozenTrial]:
        """All that were asked for so far, in order of number."""
        return self._trials

    @property
    def asked(self) -> int:
        """How many trials were asked for so far."""
        return len(self._trials)

    @property
    def finished(self) -> int:
        """How many trials have ended."""
        return sum(trial.state.is_finished() for trial in self._trials)

    def ended(self, budget: BudgetSpec, seconds: float) -> bool:
        """Whether this budget allows nothing more after so many seconds."""
        spec = self.spec.model_copy(update={"budget": budget})
        return limit_met(spec, self._trials, seconds) is not None

    def ask(self, count: int) -> list[FrozenTrial]:
        """The next trials, running."""
        first = self.asked
        wave = self._trials[-1].user_attrs["wave"] + 1 if self._trials else 0
        rng = np.random.default_rng([self.spec.seed, first])
        for contest, share in self._shares(count):
            had = len(self._of(contest))
            defaults = contest.defaults[had : had + share]
            for configuration in defaults:
                self._start(self.space.params(configuration), wave, default=True)
            if missing := share - len(defaults):
                for params in contest.sampler.propose(self._of(contest), missing, rng):
                    self._start(params, wave)
        return self._trials[first:]

    def _shares(self, count: int) -> Iterator[tuple[_Contest, int]]:
        """How many of the next trials each contest gets, so that all have had equally many."""
        so_far = [len(self._of(contest)) for contest in self._contests]
        shares = [0] * len(self._contests)
        for _ in range(count):
            due = min(range(len(shares)), key=lambda place: so_far[place] + shares[place])
            shares[due] += 1
        return ((c, share) for c, share in zip(self._contests, shares, strict=True) if share)

    def _of(self, contest: _Contest) -> list[FrozenTrial]:
        if len(self._contests) == 1:
            return self._trials
        names = contest.space.optimizers
        return [trial for trial in self._trials if trial.params["optimizer"] in names]

    def _start(self, params: dict[str, Any], wave: int, *, default: bool = False) -> None:
        trial = FrozenTrial(
            number=self.asked,
            trial_id=-1,  # its storage has its own
            state=TrialState.RUNNING,
            value=None,
            datetime_start=datetime.now(),  # local and without a zone: Optuna's convention
            datetime_complete=None,
            params=params,
            distributions=self.space.distributions(params),
            user_attrs={"wave": wave, "default": default},
            system_attrs={},
            intermediate_values={},
        )
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
