"""GET /v1/profile: which optimizers are quick across your jobs."""

from typing import Annotated

from fastapi import APIRouter, Query

from service import jobs, trials
from service.login import CurrentPrincipal
from service.services import CurrentServices
from studies.profile import Profile, Workload, profile
from studies.report import leaders
from studies.spec import StudySpec

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
            spec = StudySpec.model_validate(row.spec)
            every = trials.read(connection, row.study_id)
            numbers = list(leaders(spec, every).values())
            led = trials.read(connection, row.study_id, intermediate=True, numbers=numbers)
            curves = {trial.params["optimizer"]: trial.intermediate_values for trial in led}
            starts = (t.user_attrs["untrained"] for t in every if "untrained" in t.user_attrs)
            # All trials of a study start from the same weights.
            if (untrained := next(starts, None)) is not None:
                took_part = {trial.params["optimizer"] for trial in every}
                every_curve = {name: curves.get(name, {}) for name in sorted(took_part)}
                found.append(Workload(every_curve, untrained, spec.goal.maximized))
    return profile(found)
