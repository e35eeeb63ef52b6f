"""The outbox: word of jobs, written with what it tells of, in the same transaction.

What is committed is sent, then or after a restart, until a receiver has it or a day is over.
"""

import json
from datetime import datetime, timedelta
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from service.tables import deliveries, jobs, now
from service.webhooks import Event, Webhook, origin_of
from studies.spec import StudySpec

KEPT = timedelta(days=1)
"""A receiver that has not taken a message within this time does not get it."""


def announce(connection: Connection, job_id: str, event: Event) -> None:
    """Put word of a job into the outbox, if its owner asked for it.

    Args:
        connection: of the transaction that makes it so.
        job_id: as it is now.
        event: what has happened to it.
    """
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one()
    if row.webhook is None or event not in row.webhook["events"]:
        return
    webhook = Webhook.model_validate(row.webhook)
    moment = now()
    connection.execute(
        insert(deliveries).values(
            id=str(uuid_utils.uuid7()),
            job_id=job_id,
            url=webhook.url,
            origin=origin_of(webhook.url),
            body=json.dumps(_body(row, event, moment)),
            created=moment,
            due=moment,
        )
    )


def forget(connection: Connection, job_id: str) -> None:
    """Take what there is of a job out of the outbox."""
    connection.execute(delete(deliveries).where(deliveries.c.job_id == job_id))


def next_due(connection: Connection) -> Row[Any] | None:
    """The message that is to be sent first, if its time has come."""
    due = select(deliveries).where(deliveries.c.due <= now())
    return connection.execute(due.order_by(deliveries.c.due, deliveries.c.id).limit(1)).first()


def record_delivered(connection: Connection, message: Row[Any]) -> None:
    """A receiver has a message."""
    _end(connection, message, error=None)


def record_failed(
    connection: Connection, message: Row[Any], error: str, again_in: timedelta
) -> None:
    """A receiver did not take a message: try again later, or give it up after a day.

    What else there is for it waits as long, so that one that is away costs one attempt each time.
    """
    if now() - message.created >= KEPT:
        _end(connection, message, error=f"given up after a day: {error}")
        return
    _set_error(connection, message.job_id, error)
    later = now() + again_in
    mine, same = deliveries.c.id == message.id, deliveries.c.origin == message.origin
    attempts = deliveries.c.attempts + 1
    connection.execute(update(deliveries).where(mine).values(attempts=attempts))
    connection.execute(
        update(deliveries).where(or_(mine, same), deliveries.c.due < later).values(due=later)
    )


def _end(connection: Connection, message: Row[Any], error: str | None) -> None:
    connection.execute(delete(deliveries).where(deliveries.c.id == message.id))
    _set_error(connection, message.job_id, error)


def _set_error(connection: Connection, job_id: str, error: str | None) -> None:
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(webhook_error=error))


def _body(row: Row[Any], event: Event, moment: datetime) -> dict[str, object]:
    """What is told: how a job stands, and nothing of its data."""
    goal = StudySpec.model_validate(row.spec).goal
    return {
        "type": f"job.{event}",
        "timestamp": moment.isoformat(),
        "data": {
            "job": row.id,
            "name": row.name,
            "dataset": row.dataset_id,
            "state": row.state,
            "metric": goal.name,
            "direction": goal.direction,
            "best_value": row.best_value,
            "best_trial": row.best_trial,
        },
    }
