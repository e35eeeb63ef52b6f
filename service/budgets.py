"""Budgets changed while a job runs, and after it has ended: then it goes on."""

from typing import Any

from sqlalchemy import Connection, update

from service import jobs, tables, trials
from service.errors import Conflict
from studies.budget import limit_met
from studies.spec import BudgetSpec, StudySpec


def change(connection: Connection, owner: str, job_id: str, changed: dict[str, Any]) -> None:
    """Give a job another budget; if it has ended, it is queued again.

    A running job keeps to it from its next wave on. Its trials stay as they are.

    Args:
        connection: in a transaction that writes.
        owner: of the job.
        job_id: the job.
        changed: fields of the budget with their new values.

    Raises:
        NotFound: there is no such job.
        Conflict: it has ended, and the new budget is spent as well.
    """
    row = jobs.get(connection, owner, job_id)
    spec = StudySpec.model_validate(row.spec)
    budget = BudgetSpec.model_validate(spec.budget.model_dump() | changed)
    spec = spec.model_copy(update={"budget": budget})
    values: dict[str, Any] = {"spec": spec.model_dump(mode="json")}
    if row.state in {"completed", "failed", "cancelled"}:
        limit = limit_met(spec, trials.read(connection, row.study_id), row.seconds)
        if limit is not None:
            raise Conflict(
                f"The job has ended, and with this budget it would not go on: its limit on {limit} "
                "is met already.",
                field=f"budget.{limit}",
                value=getattr(budget, limit),
                allowed="more than what is spent",
            )
        values |= {"state": jobs.begins(row.dataset_id), "finished": None, "error": None}
    changing = update(tables.jobs).where(
        tables.jobs.c.id == job_id, tables.jobs.c.state == row.state
    )
    if connection.execute(changing.values(**values)).rowcount != 1:
        raise Conflict(
            "The job has just changed its state. Try again.",
            field="state",
            value=row.state,
            allowed="a state that lasts",
        )
