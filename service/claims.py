"""The queue as a runner sees it: a job claimed, its progress and its end recorded.

The attempt number is the fencing token. Whoever runs a job holds the number it was claimed
with, and every write names it: a result that comes late, from a server that was given up for
dead, changes nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from optuna.trial import FrozenTrial
from sqlalchemy import Column, Connection, func, select, true, update

from service import outbox, trials
from service.failpoints import reach
from service.jobs import MANAGED, stop_running
from service.manifest import Attempt, Conditions
from service.progress import counted, keep_best
from service.tables import jobs, now
from studies.confirmation import Confirmation
from studies.spec import BudgetSpec, StudySpec
from studies.transfer import Transferred

FAIR_WITHIN = timedelta(days=1)
"""Time spent on jobs that began longer ago is forgotten when owners take turns."""


class Superseded(Exception):
    """The job is no longer ours to write: it was cancelled, or claimed again."""


@dataclass(frozen=True)
class Claim:
    """A job that this server has taken up.

    Attributes:
        id: the job.
        attempt: the fencing token.
        study_id: Optuna's study.
        digest: the dataset's file.
        spec: what to study.
        seconds_spent: by earlier attempts.
    """

    id: str
    attempt: int
    study_id: int
    dataset_id: str
    spec: StudySpec
    seconds_spent: float


def requeue_running(connection: Connection, besides: Collection[str] = ()) -> int:
    """Queue what nobody runs any more, to go on from its stored trials.

    Args:
        connection: in a transaction that writes.
        besides: jobs that are running indeed.
    """
    left = (MANAGED, jobs.c.state == "running", jobs.c.id.not_in(besides))
    return connection.execute(update(jobs).where(*left).values(state="queued")).rowcount


def claim(connection: Connection, *, at_once: int | None = None) -> Claim | None:
    """Take up the next job, so that no owner waits for another's long queue.

    It is one of the owner with the fewest running, then with the least time spent on jobs begun
    within the last day; of that owner's, the one with the highest priority, then the oldest.

    Args:
        connection: in a transaction that writes.
        at_once: an owner's jobs that may run at once; None for any number.
    """
    running = func.count().filter(jobs.c.state == "running")
    waiting = jobs.c.state == "queued"
    lately = func.sum(jobs.c.seconds).filter(jobs.c.started > now() - FAIR_WITHIN)
    owners = (
        select(
            jobs.c.owner,
            running.label("running"),
            func.coalesce(lately, 0.0).label("seconds"),
            func.min(jobs.c.id).filter(waiting).label("oldest"),
        )
        .where(MANAGED)
        .group_by(jobs.c.owner)
        .subquery()
    )
    following = (
        select(jobs.c.id)
        .join(owners, owners.c.owner == jobs.c.owner)
        .where(waiting, true() if at_once is None else owners.c.running < at_once)
        .order_by(
            owners.c.running,
            owners.c.seconds,
            owners.c.oldest,  # a higher priority is no way past another owner
            jobs.c.priority.desc(),
            jobs.c.id,
        )
        .limit(1)
        .scalar_subquery()
    )
    row = connection.execute(
        update(jobs)
        .where(jobs.c.id == following)
        .values(state="running", attempt=jobs.c.attempt + 1)
        .returning(jobs)
    ).one_or_none()
    if row is None:
        return None
    if row.started is None:
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(started=now()))
    return Claim(
        id=row.id,
        attempt=row.attempt,
        study_id=row.study_id,
        dataset_id=row.dataset_id,
        spec=StudySpec.model_validate(row.spec),
        seconds_spent=row.seconds,
    )


def is_current(connection: Connection, claimed: Claim) -> bool:
    """Whether the job is still running under this claim."""
    held = (jobs.c.id == claimed.id, jobs.c.attempt == claimed.attempt, jobs.c.state == "running")
    return connection.execute(select(jobs.c.id).where(*held)).first() is not None


def budget(connection: Connection, claimed: Claim) -> BudgetSpec:
    """What the job may spend by now.

    Raises:
        Superseded: the job is no longer there.
    """
    return StudySpec.model_validate(_read(connection, claimed, jobs.c.spec)).budget


def record_asked(connection: Connection, claimed: Claim, asked: Sequence[FrozenTrial]) -> None:
    """Store trials that are about to run.

    Raises:
        Superseded: the job is no longer ours.
    """
    _write(
        connection,
        claimed,
        trials_asked=jobs.c.trials_asked + len(asked),
        # What was confirmed before a budget was raised says nothing of the trials to come.
        finalists=0,
        confirmation=None,
    )
    reach("wave_half_asked")
    trials.insert_running(connection, claimed.study_id, asked)


def record_told(
    connection: Connection, claimed: Claim, ended: Sequence[FrozenTrial], seconds: float
) -> None:
    """Store what came of a wave, and the job's progress with it.

    Raises:
        Superseded: the job is no longer ours.
    """
    _write(
        connection,
        claimed,
        seconds=seconds,
        waves_done=jobs.c.waves_done + 1,
        **counted([trial.user_attrs["outcome"] for trial in ended]),
    )
    reach("wave_half_told")
    trials.finish(connection, claimed.study_id, ended)
    if keep_best(connection, claimed.id, claimed.spec.goal, ended):
        outbox.announce(connection, claimed.id, "best")


def record_confirming(connection: Connection, claimed: Claim, finalists: Sequence[int]) -> None:
    """Store that so many trials are being trained again.

    Raises:
        Superseded: the job is no longer ours.
    """
    _write(connection, claimed, finalists=len(finalists))


def record_confirmed(connection: Connection, claimed: Claim, confirmation: Confirmation) -> None:
    """Store what came of the finalists.

    Raises:
        Superseded: the job is no longer ours.
    """
    _write(connection, claimed, confirmation=confirmation.model_dump(mode="json"))


def record_transferred(
    connection: Connection, claimed: Claim, transferred: Sequence[Transferred]
) -> None:
    """Store what the job takes from earlier ones.

    Raises:
        Superseded: the job is no longer ours.
    """
    _write(connection, claimed, transferred=[each.model_dump(mode="json") for each in transferred])


def record_warnings(connection: Connection, claimed: Claim, found: Sequence[str]) -> None:
    """Add what the data showed to what the spec already said.

    Raises:
        Superseded: the job is no longer ours.
    """
    said = _read(connection, claimed, jobs.c.warnings)
    _write(connection, claimed, warnings=list(dict.fromkeys([*said, *found])))


def go_on(connection: Connection, claimed: Claim, seconds: float) -> None:
    """Queue a job again whose budget was raised while its last trials were under way.

    Raises:
        Superseded: the job is no longer ours.
    """
    _write(connection, claimed, state="queued", seconds=seconds)


def record_attempt(connection: Connection, claimed: Claim, conditions: Conditions) -> None:
    """Keep what this attempt runs with.

    Raises:
        Superseded: the job is no longer ours.
    """
    known = _read(connection, claimed, jobs.c.attempts)
    attempt = Attempt(attempt=claimed.attempt, started=now(), conditions=conditions)
    _write(connection, claimed, attempts=[*(known or []), attempt.model_dump(mode="json")])


def finish(
    connection: Connection,
    claimed: Claim,
    state: Literal["completed", "failed"],
    *,
    seconds: float,
    error: str | None = None,
) -> None:
    """End a job; trials still under way are recorded as stopped.

    Raises:
        Superseded: the job is no longer ours.
    """
    _write(connection, claimed, state=state, seconds=seconds, error=error, finished=now())
    reach("job_half_finished")
    stop_running(connection, claimed.id, claimed.study_id)
    outbox.announce(connection, claimed.id, state)


def _read(connection: Connection, claimed: Claim, column: Column[Any]) -> Any:
    row = connection.execute(select(column).where(jobs.c.id == claimed.id)).one_or_none()
    if row is None:  # deleted
        raise Superseded
    return row[0]


def _write(connection: Connection, claimed: Claim, **values: Any) -> None:
    held = (jobs.c.id == claimed.id, jobs.c.attempt == claimed.attempt, jobs.c.state == "running")
    if connection.execute(update(jobs).where(*held).values(**values)).rowcount != 1:
        raise Superseded
