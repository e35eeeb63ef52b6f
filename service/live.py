"""What has happened to a job since somebody last looked: looked up once for all who follow it."""

import asyncio
from typing import NamedTuple

from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from service import jobs, trials
from service.database import Database
from service.jobs import JobState
from service.schemas import job_view
from studies.report import view
from studies.space import Space

AT_ONCE = 200  # trials in one look: an old job has thousands


class Look(NamedTuple):
    """A job as it is, and its next trials that have ended: events, made once for all who follow.

    Attributes:
        state: of the job.
        job: the event that tells of it.
        trials: an event for each of the trials; its id is the trial's mark.
        last: the mark of the last of them; of the last that was known, if there are none.
        more: whether there may be more of them.
    """

    state: JobState
    job: bytes
    trials: bytes
    last: int
    more: bool


class _Asked(NamedTuple):
    owner: str
    job_id: str
    after: int
    version: int


class Looks:
    """Looks at jobs, for the streams of one event loop.

    Args:
        database: where jobs and trials are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks: dict[_Asked, asyncio.Task[Look]] = {}

    async def at(self, owner: str, job_id: str, *, after: int, version: int) -> Look:
        """A job and its trials that have ended since.

        Args:
            owner: of the job.
            job_id: its id.
            after: the mark of the last one that is known; 0 for none.
            version: of the database, as it was before.

        Raises:
            NotFound: there is no such job.
        """
        asked = _Asked(owner, job_id, after, version)
        if asked not in self._tasks:
            # Whoever looks for an older version still holds its task.
            self._tasks = {a: task for a, task in self._tasks.items() if a.version == version}
            self._tasks[asked] = asyncio.create_task(run_in_threadpool(self._look, asked))
        # One who leaves takes nothing away from the others.
        return await asyncio.shield(self._tasks[asked])

    def _look(self, asked: _Asked) -> Look:
        with self._database.read() as connection:
            row = jobs.get(connection, asked.owner, asked.job_id)
            ended = trials.ended(connection, row.study_id, after=asked.after, limit=AT_ONCE)
        job = job_view(row)
        space = Space(job.spec)
        told = b"".join(
            format_sse_event(
                event="trial", data_str=view(trial, space).model_dump_json(), id=str(mark)
            )
            for mark, trial in ended
        )
        about = format_sse_event(event="job", data_str=job.model_dump_json())
        last = ended[-1][0] if ended else asked.after
        return Look(job.state, about, told, last, more=len(ended) == AT_ONCE)
