"""A job's manifest, and its trials trained again."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service import datasets, jobs, trials
from service.errors import NotFound
from service.login import CurrentPrincipal
from service.manifest import Manifest, attempt_of, manifest
from service.schemas import Number
from service.services import CurrentServices
from service.worker import Wave
from studies.environment import Difference, differences
from studies.replay import Replay, last_rung
from studies.spec import StudySpec

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"])


class ReplayView(BaseModel):
    """A stored trial and the same training again."""

    job: str
    number: int
    matches: bool = Field(description="Whether every number is the same, to the last bit.")
    parts_at: int | None = Field(description="The first stored epoch with another number.")
    stored: dict[int, float] = Field(description="The job's metric by epoch, as it was stored.")
    curve: dict[int, float] = Field(description="The same by this training.")
    differences: list[Difference] | None = Field(
        description="Between the trial's environment and this one; null if nobody recorded it."
    )


@router.get("/manifest", responses={409: {}})
def everything(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> Manifest:
    """Everything that decided the job's numbers, as it was when the job ran."""
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        return manifest(row, datasets.of_job(connection, row))


@router.post("/trials/{number}/replay", responses={409: {}})
def again(
    services: CurrentServices, principal: CurrentPrincipal, job_id: str, number: Number
) -> ReplayView:
    """Train a completed or dropped trial again and compare: on the same platform it is the same.

    It goes ahead of waves that wait, not of those under way. A 503 says that it has not ended yet:
    it goes on, and the same request, sent again, answers with it.
    """
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        digest = datasets.of_job(connection, row).digest
        found = trials.read(connection, row.study_id, intermediate=True, numbers=[number])
    if not found:
        raise NotFound(f"There is no trial {number} in this job.")
    (trial,) = found
    spec, member = last_rung(StudySpec.model_validate(row.spec), trial)
    wave = Wave(services.store.path(digest), spec, [member], 0, None, f"replay-{job_id}-{number}")
    retrained = services.replays.retrain((job_id, number), wave)
    replay = Replay(trial.intermediate_values, retrained.results[0].curve)
    ran = attempt_of(row, trial.datetime_complete)
    return ReplayView(
        job=job_id,
        number=number,
        matches=replay.matches,
        parts_at=replay.parts_at,
        stored=replay.stored,
        curve=replay.curve,
        differences=differences(ran.conditions.environment, retrained.environment) if ran else None,
    )
