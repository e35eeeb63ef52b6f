"""Jobs as their owners see and change them: submitted, listed, paused, cancelled, deleted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import uuid_utils
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update
from sqlalchemy import delete as sql_delete

from service import outbox, owned, summaries, trials
from service.errors import Conflict
from service.tables import jobs, now
from service.webhooks import Webhook
from studies.resolve import Resolved

JobState = Literal["queued", "running", "paused", "completed", "failed", "cancelled"]

MOVES: dict[JobState, frozenset[JobState]] = {
    "queued": frozenset({"running", "paused", "cancelled"}),
    "running": frozenset({"queued", "paused", "completed", "failed", "cancelled"}),
    "paused": frozenset({"queued", "running", "cancelled"}),
    "completed": frozenset({"queued", "running"}),
    "failed": frozenset({"queued", "running"}),
    "cancelled": frozenset({"queued", "running"}),
}
"""From each state, where a job may go; one that has ended goes on if its budget is raised.

Where it goes on, it is queued; an external job, which waits for no runner, is running at once.
"""


ENDED: frozenset[JobState] = frozenset({"completed", "failed", "cancelled"})


MANAGED = jobs.c.dataset_id.is_not(None)
"""The trials of other jobs are trained elsewhere."""


@dataclass(frozen=True)
class Filter:
    """Which of an owner's jobs; what is left out does not matter.

    Attributes:
        states: in one of them.
        dataset_id: on this dataset.
        name: with this text in their name, in whatever case.
        since: submitted then or later.
        before: submitted earlier than that.
        managed: on some dataset, not external.
    """

    states: Collection[JobState] = ()
    dataset_id: str | None = None
    name: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    managed: bool = False

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same in SQL."""
        found: list[ColumnElement[bool]] = []
        if self.states:
            found.append(jobs.c.state.in_(self.states))
        if self.dataset_id is not None:
            found.append(jobs.c.dataset_id == self.dataset_id)
        if self.name is not None:
            found.append(jobs.c.name.icontains(self.name, autoescape=True))
        if self.since is not None:
            found.append(jobs.c.created >= self.since)
        if self.before is not None:
            found.append(jobs.c.created < self.before)
        if self.managed:
            found.append(MANAGED)
        return found


EVERY = Filter()


def sources(target: JobState) -> list[JobState]:
    """The states from which a job may go to this one."""
    return [state for state, targets in MOVES.items() if target in targets]


def create(
    connection: Connection,
    *,
    owner: str,
    dataset_id: str | None,
    request: dict[str, Any],
    resolved: Resolved,
    name: str | None = None,
    priority: int = 0,
    webhook: Webhook | None = None,
) -> str:
    """Queue a job, with an empty study, and return its id; without a dataset it begins at once."""
    job_id = str(uuid_utils.uuid7())
    spec = resolved.spec
    study_id = trials.create_study(
        connection,
        name=f"job-{job_id}",
        maximize=spec.goal.maximized,
        user_attrs={"job": job_id, "dataset": dataset_id, "metric": spec.goal.name},
    )
    connection.execute(
        insert(jobs).values(
            id=job_id,
            owner=owner,
            dataset_id=dataset_id,
            study_id=study_id,
            state=begins(dataset_id),
            started=None if dataset_id else now(),
            name=name,
            priority=priority,
            webhook=None if webhook is None else webhook.model_dump(mode="json"),
            request=request,
            spec=spec.model_dump(mode="json"),
            inferred=resolved.inferred,
            warnings=list(resolved.warnings),
        )
    )
    return job_id


def begins(dataset_id: str | None) -> JobState:
    """The state from which a job goes on: external ones, without a dataset, wait for no runner."""
    return "queued" if dataset_id else "running"


def get(connection: Connection, owner: str, job_id: str) -> Row[Any]:
    """The row of an owner's job.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    return owned.get(connection, jobs, owner, "job", job_id)


def find(connection: Connection, job_id: str) -> Row[Any] | None:
    """The row of a job, whosever it is."""
    return connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()


def page(
    connection: Connection,
    owner: str,
    wanted: Filter = EVERY,
    *,
    after: str | None = None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """An owner's jobs, newest first, and the cursor of the next page."""
    return owned.page(connection, jobs, owner, *wanted.conditions(), after=after, limit=limit)


def ahead(connection: Connection, job: Row[Any]) -> int:
    """How many of its owner's jobs are taken up before a queued one; owners take turns besides."""
    first = jobs.c.priority > job.priority
    older = (jobs.c.priority == job.priority) & (jobs.c.id < job.id)
    theirs = (jobs.c.owner == job.owner, jobs.c.state == "queued", first | older)
    statement = select(func.count()).select_from(jobs).where(*theirs)
    return connection.execute(statement).scalar_one()


def describe(connection: Connection, owner: str, job_id: str, **values: str | int | None) -> None:
    """Give a job another ``name`` or ``priority``.

    Raises:
        NotFound: there is no such job.
    """
    get(connection, owner, job_id)
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))


def cancel(connection: Connection, owner: str, job_id: str) -> None:
    """End a job now; trials under way are recorded as stopped.

    Raises:
        NotFound: there is no such job.
        Conflict: it has ended already.
    """
    row = _move(connection, owner, job_id, "cancelled", finished=now())
    stop_running(connection, job_id, row.study_id)
    outbox.announce(connection, job_id, "cancelled")


def pause(connection: Connection, owner: str, job_id: str) -> None:
    """Let a job rest; trials under way are trained again when it goes on.

    Raises:
        NotFound: there is no such job.
        Conflict: it has ended, or is paused already.
    """
    _move(connection, owner, job_id, "paused")


def resume(connection: Connection, owner: str, job_id: str) -> None:
    """Let a paused job go on.

    Raises:
        NotFound: there is no such job.
        Conflict: it is not paused.
    """
    target = begins(get(connection, owner, job_id).dataset_id)
    _move(connection, owner, job_id, target, only_from=["paused"])


def delete(connection: Connection, owner: str, job_id: str) -> None:
    """Delete a job with its study, trials and all.

    SQLite may hand the study's id out again: whoever caches trials by study must forget them.

    Raises:
        NotFound: there is no such job.
        Conflict: it is queued or running.
    """
    row = get(connection, owner, job_id)
    outbox.forget(connection, job_id)
    summaries.forget(connection, job_id)
    resting = jobs.c.state.not_in(("queued", "running"))
    gone = connection.execute(sql_delete(jobs).where(jobs.c.id == job_id, resting))
    if not gone.rowcount:
        raise Conflict(
            f"The job is {row.state}. Cancel it first, or wait for its end.",
            field="state",
            value=row.state,
            allowed=["paused", "completed", "failed", "cancelled"],
        )
    trials.delete_study(connection, row.study_id)


def stop_running(connection: Connection, job_id: str, study_id: int) -> None:
    """Record the trials under way as stopped."""
    stopped = trials.stop(connection, study_id)
    counted = jobs.c.trials_stopped + stopped
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(trials_stopped=counted))


def _move(
    connection: Connection,
    owner: str,
    job_id: str,
    target: JobState,
    *,
    only_from: Sequence[JobState] = (),
    **values: Any,
) -> Row[Any]:
    """Change a job's state, and return its row as it was."""
    row = get(connection, owner, job_id)
    allowed = only_from or sources(target)
    changed = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.in_(allowed))
        .values(state=target, **values)
    )
    if not changed.rowcount:
        raise Conflict(
            f"The job is {row.state}; this can be done to a job that is {' or '.join(allowed)}.",
            field="state",
            value=row.state,
            allowed=list(allowed),
        )
    return row
