"""Run a study: a generator of waves, so that whoever drives it can save, cancel, resume, stop."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from studies.budget import seconds_to_search
from studies.search import Search
from studies.space import Space
from studies.spec import BudgetSpec, StudySpec
from studies.transfer import Transferred
from studies.wave import Pending, TrialResult, WaveTrial

STATES = {
    "completed": TrialState.COMPLETE,
    "dropped": TrialState.PRUNED,
    "diverged": TrialState.PRUNED,
    "stopped": TrialState.FAIL,
}
"""How Optuna sees what came of a trial."""


Submit = Callable[[StudySpec, list[WaveTrial], int, float | None], Pending[list[TrialResult]]]
"""``submit(spec, trials, wave, seconds_left)`` starts a wave, counted from 0, somewhere."""


@dataclass(frozen=True)
class Asked:
    """These trials are about to run; save them as running before going on."""

    trials: list[FrozenTrial]


@dataclass(frozen=True)
class Told:
    """These trials have ended; save them before going on."""

    trials: list[FrozenTrial]


def wave_size(trials: int, asked: int = 0) -> int:
    """Trials of the next wave: few at first, so that the sampler learns early, then more.

    An eighth of those asked for so far, so that what a sampler does with all trials is done the
    less often the more there are; never above a sixth of the trials allowed, nor below 8.
    """
    return max(8, min(max(16, asked // 8), trials // 6, 256))


def run_study(
    spec: StudySpec,
    submit: Submit,
    *,
    known: Sequence[FrozenTrial] = (),
    seconds_spent: float = 0.0,
    in_flight: int = 1,
    allowed: Callable[[], BudgetSpec] | None = None,
    transferred: Sequence[Transferred] = (),
) -> Iterator[Asked | Told]:
    """Ask, train and tell until the budget is spent; `studies.confirmation` comes after that.

    Waves are told in the order in which they were asked, however many are in flight, so timing
    cannot change a study. To stop, stop iterating.

    Args:
        spec: a resolved spec.
        submit: starts a wave.
        known: stored trials in order of number; running ones are trained (again) first.
        seconds_spent: what earlier runs of this study took.
        in_flight: waves under way at once.
        allowed: the budget by now, asked for before every wave; None for the spec's, always.
        transferred: what earlier studies found, to be tried after the defaults.

    Yields:
        `Asked` before a wave starts, `Told` when it has ended.
    """
    search, allowed = Search(spec, known, transferred), allowed or (lambda: spec.budget)
    budget = allowed()
    began = time.monotonic() - seconds_spent
    waves: deque[tuple[list[FrozenTrial], Pending[list[TrialResult]]]] = deque()

    def seconds_left() -> float | None:
        limit = seconds_to_search(spec.model_copy(update={"budget": budget}), search.trials)
        return None if limit is None else limit - (time.monotonic() - began)

    def start(trials: list[FrozenTrial]) -> None:
        wave = trials[0].user_attrs["wave"]
        waves.append(
            (trials, submit(spec, described(search.space, spec, trials), wave, seconds_left()))
        )

    # The same waves again: who is dropped at a rung depends on the others.
    interrupted = [trial for trial in known if not trial.state.is_finished()]
    for _, members in groupby(interrupted, key=lambda trial: trial.user_attrs["wave"]):
        start(list(members))
    while True:
        budget = allowed()
        while len(waves) < in_flight and not search.ended(budget, time.monotonic() - began):
            size = wave_size(budget.trials, search.asked)
            trials = search.ask(min(size, budget.trials - search.asked))
            yield Asked(trials)
            start(trials)
        if not waves:
            return
        trials, pending = waves.popleft()
        results = {result.number: result for result in pending.result()}
        ended = [_ended(trial, results[trial.number]) for trial in trials]
        search.tell(ended)
        yield Told(ended)


def described(space: Space, spec: StudySpec, trials: Sequence[FrozenTrial]) -> list[WaveTrial]:
    """What a worker needs to know of trials.

    Trials of a study are paired: the same seed, hence weights and batches, for all of them.
    """
    return [
        WaveTrial(t.number, space.configuration(t.params), spec.seed, t.user_attrs["default"])
        for t in trials
    ]


def _ended(trial: FrozenTrial, result: TrialResult) -> FrozenTrial:
    """The asked trial with what came of it."""
    attributes: dict[str, Any] = {
        "outcome": result.outcome,
        "metrics": result.metrics,
        "seconds": round(result.seconds, 6),
        "epochs": result.epochs,
        "samples": result.samples,
        "state_bytes": result.state_bytes,
    }
    sometimes = {
        "diverged_at": result.diverged_at,
        "dropped_at": result.dropped_at,
        "threshold": result.threshold,
        "audited": result.audited or None,
        "untrained": result.untrained,
        "trouble": result.trouble,
        "reason": result.reason,
        "rungs": {str(epochs): value for epochs, value in result.rungs.items()} or None,
    }
    attributes |= {name: value for name, value in sometimes.items() if value is not None}
    return FrozenTrial(
        number=trial.number,
        trial_id=-1,  # its storage has its own
        state=STATES[result.outcome],
        value=result.value,
        datetime_start=trial.datetime_start,
        datetime_complete=datetime.now(),  # local and without a zone: Optuna's convention
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs | attributes,
        system_attrs={},
        intermediate_values=result.curve,
    )
