"""Which optimizers are quick across an owner's jobs."""

from contextlib import suppress

from service import jobs
from service.database import Database
from service.errors import NotFound
from service.reports import Reports
from service.workloads import workload
from studies.profile import Profile, profile


def across(database: Database, reports: Reports, owner: str, limit: int) -> Profile:
    """How often each optimizer was how quick to its study's target.

    Args:
        database: where jobs and trials are.
        reports: of jobs.
        owner: of the jobs.
        limit: so many of the completed ones, the newest.
    """
    with database.read() as connection:
        rows, _ = jobs.page(connection, owner, jobs.Filter(["completed"]), limit=limit)
    found = []
    for row in rows:
        with suppress(NotFound), database.read() as connection:  # deleted just now
            found.append(workload(connection, row, reports.summary(owner, row.id)))
    return profile(each for each in found if each is not None)
