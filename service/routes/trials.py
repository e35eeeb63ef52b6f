"""A job's trials: page by page, and one of them whole."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from optuna.trial import TrialState

from service import jobs, trials
from service.errors import Invalid, NotFound
from service.login import CurrentPrincipal
from service.schemas import Limit, Number, TrialDetail, TrialPage, trial_detail
from service.services import CurrentServices
from studies.report import Outcome, view
from studies.space import Space
from studies.spec import StudySpec

router = APIRouter(prefix="/jobs/{job_id}/trials", tags=["jobs"])

STATES: dict[Outcome, TrialState] = {
    "running": TrialState.RUNNING,
    "completed": TrialState.COMPLETE,
    "dropped": TrialState.PRUNED,
    "diverged": TrialState.PRUNED,
    "stopped": TrialState.FAIL,
}


@router.get("")
def trial_page(
    services: CurrentServices,
    principal: CurrentPrincipal,
    job_id: str,
    sort: Annotated[
        Literal["number", "value", "duration"], Query(description="What to order by.")
    ] = "number",
    descending: Annotated[bool, Query(description="Whether the greatest comes first.")] = False,
    outcome: Annotated[
        list[Outcome] | None, Query(description="Only trials that ended so.")
    ] = None,
    cursor: Annotated[str | None, Query(description="The `next` of the page before.")] = None,
    limit: Limit = 100,
) -> TrialPage:
    """A job's trials, page by page."""
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        try:
            found, following = trials.page(
                connection,
                row.study_id,
                sort=sort,
                descending=descending,
                states={STATES[name] for name in outcome} if outcome else None,
                outcomes=outcome,
                after=cursor,
                limit=limit,
            )
        except ValueError as error:
            raise Invalid(
                str(error), field="cursor", value=cursor, allowed="the `next` of the page before"
            ) from error
    space = Space(StudySpec.model_validate(row.spec))
    return TrialPage(items=[view(trial, space) for trial in found], next=following)


@router.get("/{number}")
def one(
    services: CurrentServices, principal: CurrentPrincipal, job_id: str, number: Number
) -> TrialDetail:
    """One trial: its configuration, its learning curve, and what happened to it, step by step."""
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        found = trials.read(connection, row.study_id, intermediate=True, numbers=[number])
    if not found:
        raise NotFound(f"There is no trial {number} in this job.", field="number", value=number)
    return trial_detail(found[0], StudySpec.model_validate(row.spec))
