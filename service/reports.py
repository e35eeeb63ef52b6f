"""Reports of jobs: made once for all who ask, and again when the job has gone on."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Row

from service import jobs, summaries, trials
from service.database import Database
from service.errors import HINDRANCES
from service.jobs import ENDED
from studies.confirmation import Confirmation
from studies.report import Report, Summary, leaders, report_on, summarise
from studies.spec import StudySpec

logger = logging.getLogger(__name__)

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

    def is_behind(self, job: Row[Any], summary: Summary) -> bool:
        """Whether a job has gone on since a summary of it was made."""
        entry = self._entry((job.id, Summary))
        return entry.made is not summary or entry.state != summaries.state(job)

    def keep(self, job_id: str) -> None:
        """Make the summary and the report of a job that has ended, for those who will ask."""
        with self._database.read() as connection:
            row = jobs.find(connection, job_id)
        if row is not None and row.state in ENDED:
            self.summary(row.owner, job_id)  # which is there sooner
            self.report(row.owner, job_id)

    def report(self, owner: str, job_id: str) -> Report:
        """The same with what takes longer.

        Raises:
            NotFound: there is no such job.
        """
        return self._get(owner, job_id, report_on, Report)

    def _get(self, owner: str, job_id: str, make: Callable[..., Found], kind: type[Found]) -> Found:
        with self._database.read() as connection:
            row = jobs.get(connection, owner, job_id)
        entry, state = self._entry((job_id, kind)), summaries.state(row)
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
            kept = self._kept(row, kind)
            made = self._make(row, make) if kept is None else kept
            ended = time.monotonic()
            entry.made, entry.state = made, state
            entry.fresh_until = ended + (ended - began) / SHARE
            if kept is None and row.state in ENDED:
                self._write(row, made)
            return made

    def _kept(self, row: Row[Any], kind: type[Found]) -> Found | None:
        with self._database.read() as connection:
            return summaries.load(connection, row, kind)

    def _write(self, row: Row[Any], summary: Summary) -> None:
        try:
            with self._database.write() as connection:
                present = jobs.find(connection, row.id)
                if present is not None and summaries.state(present) == summaries.state(row):
                    summaries.keep(connection, row, summary)
        except HINDRANCES as error:  # whoever asked can be told all the same
            logger.warning("the summary of job %s is not kept: %s", row.id, error.detail)

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
