"""Summaries of jobs that have ended, kept: one is made of all trials, which takes seconds for many.

A report, which is a summary with more, takes its place once it is made.
"""

from importlib.metadata import version
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy import Connection, Row, delete, insert, select

from service.tables import summaries
from studies.report import Summary

Found = TypeVar("Found", bound=Summary)


def load(connection: Connection, job: Row[Any], kind: type[Found]) -> Found | None:
    """The summary or report of a job as it is now, if this version of Fallline has kept it."""
    mine = (summaries.c.job_id == job.id, summaries.c.made_of == _made_of(job))
    body = connection.execute(select(summaries.c.body).where(*mine)).scalar_one_or_none()
    try:
        return None if body is None else kind.model_validate_json(body)
    except ValidationError:  # the summary where a report is wanted, or one of a version under way
        return None


def keep(connection: Connection, job: Row[Any], summary: Summary) -> None:
    """Keep the summary of a job as it is now, unless what is kept of it says as much already."""
    if load(connection, job, type(summary)) is not None:
        return
    forget(connection, job.id)
    values = {"job_id": job.id, "made_of": _made_of(job), "body": summary.model_dump_json()}
    connection.execute(insert(summaries).values(values))


def forget(connection: Connection, job_id: str) -> None:
    """Keep the summary of a job no longer."""
    connection.execute(delete(summaries).where(summaries.c.job_id == job_id))


def state(job: Row[Any]) -> tuple[str | int, ...]:
    """Changes whenever the summary or the report of a job would."""
    return (
        job.state,
        job.attempt,
        job.trials_asked,
        job.trials_completed,
        job.trials_dropped,
        job.trials_diverged,
        job.trials_stopped,
        job.confirmation is None,
    )


def _made_of(job: Row[Any]) -> str:
    return " ".join(map(str, (version("fallline"), *state(job))))
