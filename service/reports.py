"""Reports of jobs: made once for all who ask, and again when the job has gone on."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Row

from service import jobs, trials
from service.database import Database
from studies.confirmation import Confirmation
from studies.report import Report, Summary, leaders, report_on, summarise
from studies.spec import StudySpec

KEPT = 64  # the latest that were asked for; one of 10,000 trials holds about 5 MB
SHARE = 0.1  # of the time at most goes into the report of one running job

Found = TypeVar("Found", bound=Summary)


@dataclass
class _Entry:
    """What was made of a job, and when."""

    made: Summary | None = None
    state: Hashable = None
    fresh_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Reports:
    """Summaries and reports.

    That of a job that has ended or rests is exact. While a job runs, those who ask share one that
    may be some waves old: ten times as long as it took to make.

    Args:
        database: where jobs and trials are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def summary(self, owner: str, job_id: str) -> Summary:
        """The answer of a job, and what it rests on.

        Raises:
            NotFound: there is no such job.
        """
        return self._get(owner, job_id, summarise, Summary)

    def report(self, owner: str, job_id: str) -> Report:
        """The same with what takes longer.

        Raises:
            NotFound: there is no such job.
        """
        return self._get(owner, job_id, report_on, Report)

    def _get(self, owner: str, job_id: str, make: Callable[..., Found], kind: type[Found]) -> Found:
        with self._database.read() as connection:
            row = jobs.get(connection, owner, job_id)
        entry, state = self._entry((job_id, kind)), _state(row)
        known = entry.made
        if isinstance(known, kind) and (
            entry.state == state
            or (
                row.state == "running"
                and (time.monotonic() < entry.fresh_until or entry.lock.locked())
            )
        ):
            return known
        with entry.lock:
            if isinstance(entry.made, kind) and entry.state == state:  # somebody else was first
                return entry.made
            began = time.monotonic()
            made = self._make(row, make)
            ended = time.monotonic()
            entry.made, entry.state = made, state
            entry.fresh_until = ended + (ended - began) / SHARE
            return made

    def _entry(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            if len(self._entries) > KEPT:
                self._entries.popitem(last=False)
            return entry

    def _make(self, row: Row[Any], make: Callable[..., Found]) -> Found:
        spec = StudySpec.model_validate(row.spec)
        with self._database.read() as connection:
            every = trials.read(connection, row.study_id)
            numbers = list(leaders(spec, every).values())
            led = trials.read(connection, row.study_id, intermediate=True, numbers=numbers)
        with_curve = {trial.number: trial for trial in led}
        confirmation = row.confirmation and Confirmation.model_validate(row.confirmation)
        return make(spec, [with_curve.get(trial.number, trial) for trial in every], confirmation)


def _state(row: Row[Any]) -> Hashable:
    """Changes whenever the report would."""
    return (
        row.state,
        row.attempt,
        row.trials_asked,
        row.trials_completed,
        row.trials_dropped,
        row.trials_diverged,
        row.trials_stopped,
        row.confirmation is None,
    )
