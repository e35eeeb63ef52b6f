"""POST and GET /v1/jobs, and what came of one: its best, its report."""

from collections.abc import Callable
from typing import Annotated, Literal

import yaml
from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from optimizers.configuration import Configuration
from service import budgets, datasets, jobs, trials
from service.errors import Conflict
from service.idempotency import Asked
from service.jobs import JobState
from service.login import CurrentPrincipal
from service.openapi import LOCATION
from service.routes.idempotency import CurrentRequest
from service.schemas import Best, Cursor, JobChange, JobSpec, JobView, Limit, Page, job_view
from service.services import CurrentServices, Services
from service.tokens import Principal
from studies.confirmation import Confirmation
from studies.report import Report, TrialView, leaders, summarise
from studies.resolve import resolve
from studies.script import Expected, best_script
from studies.snippet import best_snippet
from studies.space import Space
from studies.spec import StudySpec

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.post("", status_code=201, responses={201: LOCATION, 404: {}})
def submit(
    spec: JobSpec,
    response: Response,
    services: CurrentServices,
    principal: CurrentPrincipal,
    asked: CurrentRequest,
) -> JobView:
    """Queue a job; what the spec leaves open is inferred from the data and shown."""
    with services.database.read() as connection:
        dataset = datasets.get(connection, principal.owner, spec.dataset)
    study = StudySpec.model_validate(spec.model_dump(exclude={"dataset"}, exclude_unset=True))
    if study.target is None and dataset.target is not None:
        study = study.model_copy(update={"target": dataset.target})
    resolved = resolve(study, datasets.schema(dataset))
    Space(resolved.spec)  # refuses names that are not in the catalogue
    request = spec.model_dump(mode="json", exclude_unset=True)

    def create() -> str:
        datasets.get(connection, principal.owner, dataset.id)  # it may be deleted meanwhile
        return jobs.create(
            connection,
            owner=principal.owner,
            dataset_id=dataset.id,
            request=request,
            resolved=resolved,
        )

    with services.database.write() as connection:
        job_id = asked.once(connection, request, create)
        row = jobs.get(connection, principal.owner, job_id)
    services.runner.wake()
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return job_view(row)


@router.get("")
def listing(
    services: CurrentServices,
    principal: CurrentPrincipal,
    state: Annotated[list[JobState] | None, Query(description="Only jobs in these.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[JobView]:
    """Your jobs, newest first."""
    with services.database.read() as connection:
        rows, following = jobs.page(
            connection, principal.owner, states=state or (), after=cursor, limit=limit
        )
    return Page(items=[job_view(row) for row in rows], next=following)


@router.get("/{job_id}")
def one(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> JobView:
    """One job: its spec, its state and how far it is."""
    with services.database.read() as connection:
        return job_view(jobs.get(connection, principal.owner, job_id))


@router.post("/{job_id}/cancel")
def cancel(services: CurrentServices, job_id: str, asked: CurrentRequest) -> JobView:
    """End a job now; its finished trials stay."""
    return _moved(services, asked, job_id, jobs.cancel)


@router.post("/{job_id}/pause")
def pause(services: CurrentServices, job_id: str, asked: CurrentRequest) -> JobView:
    """Let a job rest, across restarts too; what was under way is trained again later."""
    return _moved(services, asked, job_id, jobs.pause)


@router.post("/{job_id}/resume")
def resume(services: CurrentServices, job_id: str, asked: CurrentRequest) -> JobView:
    """Queue a paused job again; it comes to the trials that it would have come to."""
    view = _moved(services, asked, job_id, jobs.resume)
    services.runner.wake()
    return view


def _moved(
    services: Services, asked: Asked, job_id: str, move: Callable[[Connection, str, str], None]
) -> JobView:
    """A job after it went to another state."""

    def act() -> str:
        move(connection, asked.owner, job_id)
        return job_id

    with services.database.write() as connection:
        asked.once(connection, None, act)
        return job_view(jobs.get(connection, asked.owner, job_id))


@router.delete("/{job_id}", status_code=204)
def delete(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> None:
    """Delete a job that has ended or rests, with all its trials; there is no way back."""
    with services.database.write() as connection:
        jobs.delete(connection, principal.owner, job_id)
    services.dashboard.forget_deleted()


@router.patch("/{job_id}")
def change(
    change: JobChange, services: CurrentServices, principal: CurrentPrincipal, job_id: str
) -> JobView:
    """Give a job another budget: from its next wave on; if it has ended, it goes on."""
    with services.database.write() as connection:
        changed = change.budget.model_dump(exclude_unset=True)
        budgets.change(connection, principal.owner, job_id, changed)
        row = jobs.get(connection, principal.owner, job_id)
    services.runner.wake()
    return job_view(row)


@router.get(
    "/{job_id}/best",
    response_model=Best,
    responses={
        200: {
            "content": {
                "application/yaml": {"schema": {"$ref": "#/components/schemas/Best"}},
                "text/x-python": {"schema": {"type": "string"}},
            }
        },
        409: {},
    },
)
def best(
    services: CurrentServices,
    principal: CurrentPrincipal,
    job_id: str,
    form: Annotated[
        Literal["json", "yaml", "python", "torch"],
        Query(
            alias="format",
            description="`yaml`: the same as YAML; `python`: a script that trains the configuration "
            "in plain PyTorch; `torch`: its optimizer and scheduler alone, for a model of your own.",
        ),
    ] = "json",
) -> Best | Response:
    """The best configuration so far, and the best of every optimizer."""
    answer = report(services, principal, job_id)
    chosen, value = best_of(answer, job_id)
    finalists = answer.verdict.finalists if answer.verdict else []
    if form in {"python", "torch"}:
        expected = next(
            (
                Expected(answer.metric, each.mean, *each.next_run, each.seeds)
                for each in finalists
                if each.number == chosen.number
            ),
            None,
        )
        configuration = Configuration.from_dict(chosen.config)
        return _source(services, principal, job_id, configuration, expected, whole=form == "python")
    found = Best(
        job=job_id,
        value=value,
        metric=answer.metric,
        direction=answer.direction,
        trial=chosen.number,
        config=chosen.config,
        metrics=chosen.metrics,
        optimizers=answer.optimizers,
        sentence=answer.verdict.sentence if answer.verdict else None,
        finalists=finalists,
    )
    if form == "yaml":
        text = yaml.safe_dump(found.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        return _download(text, "application/yaml", "best.yaml")
    return found


def best_of(answer: Report, job_id: str) -> tuple[TrialView, float]:
    """The trial whose configuration to use, and its value.

    Raises:
        Conflict: none has completed yet.
    """
    if answer.best is None or answer.best.value is None:
        raise Conflict(
            "No trial has completed yet. Ask again when the job has made progress.",
            field="job",
            value=job_id,
            allowed="a job with a completed trial",
        )
    return answer.best, answer.best.value


def _source(
    services: Services,
    principal: Principal,
    job_id: str,
    configuration: Configuration,
    expected: Expected | None,
    *,
    whole: bool,
) -> Response:
    """The configuration as a file to save and run, or to import if it is not a whole program."""
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        dataset = datasets.get(connection, principal.owner, row.dataset_id)
    spec, schema = StudySpec.model_validate(row.spec), datasets.schema(dataset)
    if not whole:
        source = best_snippet(spec, schema, configuration)
        return _download(source, "text/x-python", "best_optimizer.py")
    source = best_script(
        spec,
        schema,
        configuration,
        seed=spec.seed,
        digest=dataset.digest,
        dialect=datasets.dialect(dataset),
        expected=expected,
    )
    return _download(source, "text/x-python", "best.py")


def _download(text: str, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=media_type, headers=headers)


@router.get("/{job_id}/report")
def report(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> Report:
    """What the trials so far say: best, leaderboard, curves, importance, and the verdict."""
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        spec = StudySpec.model_validate(row.spec)
        every = trials.read(connection, row.study_id)
        numbers = list(leaders(spec, every).values())
        led = trials.read(connection, row.study_id, intermediate=True, numbers=numbers)
    with_curve = {trial.number: trial for trial in led}
    confirmation = row.confirmation and Confirmation.model_validate(row.confirmation)
    return summarise(spec, [with_curve.get(trial.number, trial) for trial in every], confirmation)
