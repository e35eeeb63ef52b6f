"""Leases: whoever trains a trial elsewhere holds it until a deadline, which each report moves."""

from datetime import datetime, timedelta
from typing import Any

from optuna.trial import FrozenTrial
from sqlalchemy import Connection, Row

from service import trials
from service.errors import Conflict, NotFound
from service.tables import now

MOST = 3  # of one trial: it may be what its trainers die of


def held(lease: str, length: timedelta) -> dict[str, Any]:
    """How a lease that begins now is kept with its trial, as user attributes."""
    return {
        "lease": lease,
        "lease_seconds": length.total_seconds(),
        "deadline": (now() + length).isoformat(),
    }


def over(trial: FrozenTrial) -> bool:
    """Whether the lease of a trial under way has run out."""
    return datetime.fromisoformat(trial.user_attrs["deadline"]) < now()


def leased(connection: Connection, row: Row[Any], number: int, lease: str) -> FrozenTrial:
    """A trial under way, for whoever holds its lease.

    Args:
        connection: in a transaction that writes.
        row: of the job.
        number: the trial's.
        lease: that it was handed out under.

    Raises:
        NotFound: there is no such trial.
        Conflict: it has ended, or the lease has run out.
    """
    found = trials.read(connection, row.study_id, intermediate=True, numbers=[number])
    if not found:
        raise NotFound(f"There is no trial {number} in this job.", field="number", value=number)
    (trial,) = found
    if trial.state.is_finished():
        raise Conflict(
            f"Trial {number} has ended: {trial.user_attrs.get('outcome')}. Nothing was changed.",
            field="number",
            value=number,
            allowed="a trial under way",
        )
    if trial.user_attrs["lease"] != lease:
        raise Conflict(
            f"Trial {number} was handed out again: this lease had run out. Nothing was changed.",
            field="lease",
            value=lease,
            allowed="the lease that the trial was handed out under last",
        )
    if over(trial):
        raise Conflict(
            f"The lease of trial {number} ran out at {trial.user_attrs['deadline']}: it waits to be "
            "handed out again. Nothing was changed. Report in time, or ask for longer leases.",
            field="lease",
            value=lease,
            allowed="a lease that has not run out",
        )
    return trial
