"""Retention: jobs that ended long ago are deleted, if the server is told to."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import select

from service import jobs, tables
from service.dashboard import Dashboard
from service.database import Database
from service.errors import Conflict, NotFound
from service.tables import now

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 3600.0


@contextmanager
def sweeping(database: Database, dashboard: Dashboard, days: float | None) -> Iterator[None]:
    """Delete old jobs now and every hour, in a thread of its own.

    Args:
        database: where jobs and trials are.
        dashboard: which must forget what is deleted.
        days: that a job stays after its end; None for ever.
    """
    if days is None:
        yield
        return
    stopping, kept = threading.Event(), timedelta(days=days)

    def loop() -> None:
        while not stopping.is_set():
            try:
                sweep(database, dashboard, kept)
            except Exception:  # a full disk, say, must not end it for good
                logger.exception("old jobs cannot be deleted; trying again later")
            stopping.wait(SWEEP_SECONDS)

    thread = threading.Thread(target=loop, name="retention")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def sweep(database: Database, dashboard: Dashboard, kept: timedelta) -> None:
    """Delete jobs that ended longer ago than that, each with its study and trials."""
    old = (tables.jobs.c.state.in_(jobs.ENDED), tables.jobs.c.finished < now() - kept)
    with database.read() as connection:
        found = connection.execute(select(tables.jobs).where(*old)).all()
    deleted = 0
    for row in found:  # one by one, as a study may have many trials
        try:
            with database.write() as connection:
                jobs.delete(connection, row.owner, row.id)
            deleted += 1
        except (Conflict, NotFound):
            logger.info("job %s goes on, or is deleted already", row.id)
    if deleted:
        dashboard.forget_deleted()
        logger.info("deleted %d job(s) that had ended more than %s ago", deleted, kept)
