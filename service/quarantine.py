"""A wave that workers die of is halved until the trials are found that they die of."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from service.engine import Engine, Work, WorkersDied
from service.worker import OutOfMemory, Wave
from studies.wave import TrialResult, WaveTrial

IN_A_ROW = 3  # trials that could not be trained, after which the study is not worth going on with

logger = logging.getLogger(__name__)


class Untrainable(Exception):
    """Trial after trial could not be trained."""


def trained(
    engine: Engine, wave: Wave, work: Work[list[TrialResult]], wanted: Callable[[], bool]
) -> list[TrialResult]:
    """What came of a wave, in the order of its trials.

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
    parts = deque([(wave, work)])
    found: list[TrialResult] = []
    in_a_row = 0
    while parts:
        part, work = parts.popleft()
        try:
            found += work.result(wanted)
            in_a_row = 0
        except (WorkersDied, OutOfMemory) as error:
            numbers = [trial.number for trial in part.trials]
            logger.warning("trials %s could not be trained together: %s", numbers, error)
            if len(part.trials) > 1:
                middle = len(part.trials) // 2
                halves = [
                    replace(part, trials=some)
                    for some in (part.trials[:middle], part.trials[middle:])
                ]
                parts.extendleft((half, engine.submit(half)) for half in reversed(halves))
                continue
            in_a_row += 1
            if in_a_row == IN_A_ROW:
                raise Untrainable(
                    f"{IN_A_ROW} trials in a row could not be trained: {error}"
                ) from None
            found.append(_stopped(part.trials[0], str(error)))
    return found


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
