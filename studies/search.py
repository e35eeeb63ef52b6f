"""The ask-and-tell side of a study: configurations known to be good, then what its sampler says.

Every optimizer's default comes first, if not all have room one in six trials; then what earlier
studies found, then the portfolio.

Everything follows from the stored trials and transferred configurations: the numbers that a wave is
drawn with are made from the study's seed and the number of the wave's first trial.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from studies.budget import limit_met
from studies.portfolio import portfolio
from studies.samplers import make_sampler
from studies.space import Space, contests
from studies.spec import BudgetSpec, StudySpec
from studies.transfer import Transferred

ONE_IN = 6
"""Of the trials are defaults where not all have room: the portfolio is likelier to be good."""


class _Contest:
    """A sampler and what it may choose from: all optimizers, or one that is compared.

    Attributes:
        first: params and user attributes of the trials that it does not choose.
    """

    def __init__(self, spec: StudySpec, transferred: Sequence[Transferred]) -> None:
        self.space = Space(spec)
        defaults, trials = self.space.defaults(), spec.budget.trials
        if len(defaults) > trials and spec.question == "search":
            defaults = defaults[: -(-trials // ONE_IN)]
        self.first: list[tuple[dict[str, Any], dict[str, Any]]] = [
            *((self.space.params(one), {"default": True}) for one in defaults),
            *(
                (one.params, {"default": False, "transferred": one.source.model_dump()})
                for one in transferred
                if self.space.contains(one.params)
            ),
        ]
        # Where optimizers are compared, none has a head start.
        if spec.question == "search":
            tried = [params for params, _ in self.first]
            # That of classifications was chosen on both tasks: it serves where none is given too.
            task = spec.task or "classification"
            for one in map(self.space.params, portfolio(self.space, task, trials)):
                if one not in tried:
                    self.first.append((one, {"default": False, "portfolio": True}))
        self.sampler = make_sampler(spec, self.space)


class Search:
    """What a study has tried, and what it tries next.

    Args:
        spec: a resolved spec.
        trials: what is already known, in order of number, running trials among them.
        transferred: what earlier studies found, to be tried after the defaults; the same whenever
            a study is rebuilt.
    """

    def __init__(
        self,
        spec: StudySpec,
        trials: Sequence[FrozenTrial] = (),
        transferred: Sequence[Transferred] = (),
    ) -> None:
        self.spec = spec
        self.space = Space(spec)
        self._contests = [_Contest(one, transferred) for one in contests(spec)]
        self._trials = list(trials)

    @property
    def trials(self) -> Sequence[FrozenTrial]:
        """All that were asked for so far, in order of number."""
        return self._trials

    @property
    def asked(self) -> int:
        """How many trials were asked for so far."""
        return len(self._trials)

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
            given = contest.first[had : had + share]
            for params, attributes in given:
                self._start(params, wave, attributes)
            if missing := share - len(given):
                for params in contest.sampler.propose(self._of(contest), missing, rng):
                    self._start(params, wave, {"default": False})
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

    def _start(self, params: dict[str, Any], wave: int, attributes: dict[str, Any]) -> None:
        trial = FrozenTrial(
            number=self.asked,
            trial_id=-1,  # its storage has its own
            state=TrialState.RUNNING,
            value=None,
            datetime_start=datetime.now(),  # local and without a zone: Optuna's convention
            datetime_complete=None,
            params=params,
            distributions=self.space.distributions(params),
            user_attrs={"wave": wave} | attributes,
            system_attrs={},
            intermediate_values={},
        )
        self._trials.append(trial)

    def tell(self, trials: Sequence[FrozenTrial]) -> None:
        """What came of trials that were asked for."""
        for trial in trials:
            self._trials[trial.number] = trial
