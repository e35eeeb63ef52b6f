"""Retention: what is old is deleted, as far as the server is told to."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
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
def sweeping(sweeps: Sequence[Callable[[], None]]) -> Iterator[None]:
    """Sweep now and every hour, in a thread of its own."""
    stopping = threading.Event()

    def loop() -> None:
        while not stopping.is_set():
            for sweep in sweeps:
                try:
                    sweep()
                except Exception:  # a full disk, say, must not end it for good
                    logger.exception("what is old cannot be deleted; trying again later")
            stopping.wait(SWEEP_SECONDS)

    thread = threading.Thread(target=loop, name="retention")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def delete_old_jobs(database: Database, dashboard: Dashboard, kept: timedelta) -> None:
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
