"""GET /v1/profile: which optimizers are quick across your jobs."""

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query

from service import jobs
from service.errors import NotFound
from service.login import CurrentPrincipal
from service.services import CurrentServices
from service.workloads import workload
from studies.profile import Profile, profile

router = APIRouter(tags=["profile"])


@router.get("/profile")
def across(
    services: CurrentServices,
    principal: CurrentPrincipal,
    limit: Annotated[int, Query(ge=1, le=1000, description="Newest jobs to look at.")] = 100,
) -> Profile:
    """How often each optimizer was how quick to its study's target, over your completed jobs."""
    with services.database.read() as connection:
        rows, _ = jobs.page(connection, principal.owner, jobs.Filter(["completed"]), limit=limit)
    found = []
    for row in rows:
        with suppress(NotFound), services.database.read() as connection:  # deleted just now
            summary = services.reports.summary(principal.owner, row.id)
            found.append(workload(connection, row, summary))
    return profile(each for each in found if each is not None)
