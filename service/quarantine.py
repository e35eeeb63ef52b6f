"""A wave that workers die of is halved until the trials are found that they die of."""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from service.engine import Engine, Work, WorkersDied
from service.worker import OutOfMemory, Wave
from studies.confirmation import Run
from studies.wave import TrialResult, WaveTrial

IN_A_ROW = 3  # trials that could not be trained, after which the study is not worth going on with

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Untrainable(Exception):
    """Trial after trial could not be trained."""


def trained(
    engine: Engine, wave: Wave, work: Work[list[TrialResult]], wanted: Callable[[], bool]
) -> list[TrialResult]:
    """What came of a wave, in the order of its trials; those that cannot be trained are stopped.

    Of one that its workers die of, or that does not fit into their memory, each half is trained by
    itself. Rungs then compare the trials of a part; nothing else depends on who trains beside whom.

    Args:
        engine: what trains.
        wave: that is under way.
        work: that trains it.
        wanted: whether it is still to be waited for.

    Raises:
        Abandoned: ``wanted`` said no.
        Untrainable: ``IN_A_ROW`` trials in a row could not be trained.
    """
    found: list[TrialResult] = []
    in_a_row = 0
    for came in _in_parts(engine.submit, wave, work, wanted):
        if isinstance(came, _Alone):
            in_a_row += 1
            if in_a_row == IN_A_ROW:
                raise Untrainable(f"{IN_A_ROW} trials in a row could not be trained: {came.error}")
            found.append(_stopped(came.trial, str(came.error)))
        else:
            in_a_row = 0
            found += came
    return found


def confirmed(
    engine: Engine, wave: Wave, work: Work[list[Run]], wanted: Callable[[], bool]
) -> list[Run]:
    """What came of finalists that are trained again, likewise in parts if need be.

    Raises:
        Abandoned: ``wanted`` said no.
        WorkersDied: one of them by itself is what its workers die of.
        OutOfMemory: one of them by itself does not fit.
    """
    found: list[Run] = []
    for came in _in_parts(engine.confirm, wave, work, wanted):
        if isinstance(came, _Alone):
            raise came.error
        found += came
    return found


@dataclass(frozen=True)
class _Alone:
    """A trial that could not be trained even by itself."""

    trial: WaveTrial
    error: WorkersDied | OutOfMemory


def _in_parts(
    start: Callable[[Wave], Work[list[T]]],
    wave: Wave,
    work: Work[list[T]],
    wanted: Callable[[], bool],
) -> Iterator[list[T] | _Alone]:
    """What came of each part of a wave, in the order of its trials."""
    parts = deque([(wave, work)])
    while parts:
        part, work = parts.popleft()
        try:
            yield work.result(wanted)
        except (WorkersDied, OutOfMemory) as error:
            numbers = [trial.number for trial in part.trials]
            logger.warning("trials %s could not be trained together: %s", numbers, error)
            if len(part.trials) == 1:
                yield _Alone(part.trials[0], error)
                continue
            middle = len(part.trials) // 2
            halves = [
                replace(part, trials=some) for some in (part.trials[:middle], part.trials[middle:])
            ]
            parts.extendleft((half, start(half)) for half in reversed(halves))


def _stopped(trial: WaveTrial, reason: str) -> TrialResult:
    return TrialResult(
        number=trial.number,
        outcome="stopped",
        value=None,
        metrics={},
        curve={},
        diverged_at=None,
        seconds=0.0,
        epochs=0,
        samples=0,
        state_bytes=0,
        rungs={},
        reason=reason,
    )
