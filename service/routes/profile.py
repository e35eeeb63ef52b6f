"""GET /v1/profile: which optimizers are quick across your jobs."""

from typing import Annotated

from fastapi import APIRouter, Query

from service import profiles
from service.login import CurrentPrincipal
from service.services import CurrentServices
from studies.profile import Profile

router = APIRouter(tags=["profile"])


@router.get("/profile")
def across(
    services: CurrentServices,
    principal: CurrentPrincipal,
    limit: Annotated[int, Query(ge=1, le=1000, description="Newest jobs to look at.")] = 100,
) -> Profile:
    """How often each optimizer was how quick to its study's target, over your completed jobs."""
    return profiles.across(services.database, services.reports, principal.owner, limit)
