"""POST /v1/jobs: submitted, estimated beforehand, or cloned from another with changes."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import ConfigDict, RootModel, TypeAdapter, ValidationError
from sqlalchemy import Row

from service import datasets, jobs
from service.failpoints import reach
from service.idempotency import Asked
from service.login import CurrentPrincipal
from service.openapi import LOCATION
from service.problems import rejected
from service.routes.idempotency import CurrentRequest
from service.schemas import AnyJobSpec, ExternalJobSpec, JobSpec, JobView, job_view
from service.services import CurrentServices, Services
from service.settling import settle
from studies.estimate import Estimate
from studies.external import resolve_external
from studies.resolve import Resolved

router = APIRouter(tags=["jobs"])


class Changes(RootModel[dict[str, Any]]):
    """A merge patch (RFC 7396) of the spec as it was submitted: null leaves a field open again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"seed": 1}, {"target": None}]})


ANY: TypeAdapter[JobSpec | ExternalJobSpec] = TypeAdapter(AnyJobSpec)


@router.post("/jobs", status_code=201, responses={201: LOCATION, 404: {}})
def submit(
    spec: AnyJobSpec, response: Response, services: CurrentServices, asked: CurrentRequest
) -> JobView:
    """Queue a job; what the spec leaves open is inferred from the data and shown.

    With `"mode": "external"` it is you who trains: the job runs at once and waits to be asked.
    """
    return _submit(spec, response, services, asked)


@router.post("/jobs:estimate", responses={404: {}})
def estimate(spec: JobSpec, services: CurrentServices, principal: CurrentPrincipal) -> Estimate:
    """What a job would cost, from training for a moment; nothing is queued.

    A 503 says that this has not ended yet: it goes on, and the same request, sent again, answers
    with it.
    """
    dataset, resolved = _resolve(spec, services, principal.owner)
    return services.replays.estimate(services.store.path(dataset.digest), resolved.spec)


@router.post("/jobs/{job_id}/clone", status_code=201, responses={201: LOCATION, 404: {}})
def clone(
    job_id: str,
    changes: Changes,
    response: Response,
    services: CurrentServices,
    asked: CurrentRequest,
) -> JobView:
    """Queue a job like another of yours, with changes; what that one left open is inferred anew."""
    with services.database.read() as connection:
        request = jobs.get(connection, asked.owner, job_id).request
    merged = _patched(request, changes.root)
    try:
        spec = ANY.validate_python(merged)
    except ValidationError as error:
        raise rejected(error, merged) from None
    return _submit(spec, response, services, asked)


def _submit(
    spec: JobSpec | ExternalJobSpec, response: Response, services: Services, asked: Asked
) -> JobView:
    if isinstance(spec, ExternalJobSpec):
        services.receivers.check(spec.webhook)
        dataset_id, resolved, priority = None, resolve_external(spec), 0
    else:
        dataset, resolved = _resolve(spec, services, asked.owner)
        dataset_id, priority = dataset.id, spec.priority
    request = spec.model_dump(mode="json", exclude_unset=True)

    def create() -> str:
        if dataset_id is not None:
            datasets.get(connection, asked.owner, dataset_id)  # it may be deleted meanwhile
        services.quotas.check_jobs(connection, asked.owner)
        return jobs.create(
            connection,
            owner=asked.owner,
            dataset_id=dataset_id,
            request=request,
            resolved=resolved,
            name=spec.name,
            priority=priority,
            webhook=spec.webhook,
        )

    with services.database.write() as connection:
        job_id = asked.once(connection, request, create)
        row = jobs.get(connection, asked.owner, job_id)
    reach("job_queued")
    services.runner.wake()
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return job_view(row)


def _resolve(spec: JobSpec, services: Services, owner: str) -> tuple[Row[Any], Resolved]:
    """The dataset of a job, and its study with nothing left open.

    Raises:
        Invalid: its webhook is not one that the server may send to.
        NotFound: there is no such dataset.
        StudyError: the spec does not fit it.
    """
    services.receivers.check(spec.webhook)
    with services.database.read() as connection:
        dataset = datasets.get(connection, owner, spec.dataset)
    return dataset, settle(spec, dataset)


def _patched(value: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A JSON object after a merge patch (RFC 7396): null removes a member."""
    result = dict(value)
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        elif isinstance(change, dict):
            before = result.get(name)
            result[name] = _patched(before if isinstance(before, dict) else {}, change)
        else:
            result[name] = change
    return result
