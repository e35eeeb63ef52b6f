"""POST and GET /v1/jobs, and what came of one: its best, its report."""

from collections.abc import Callable
from typing import Annotated, Literal

import yaml
from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from service import budgets, datasets, jobs
from service.best import best_of, script, snippet
from service.failpoints import reach
from service.idempotency import Asked
from service.jobs import JobState
from service.login import CurrentPrincipal
from service.routes.idempotency import CurrentRequest
from service.schemas import Best, Cursor, JobChange, JobView, Limit, Page, Since, job_view
from service.services import CurrentServices, Services
from studies.report import Report
from studies.spec import StudySpec

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get("")
def listing(
    services: CurrentServices,
    principal: CurrentPrincipal,
    state: Annotated[list[JobState] | None, Query(description="In one of these states.")] = None,
    dataset: Annotated[str | None, Query(description="On this dataset.")] = None,
    name: Annotated[str | None, Query(description="With this text in their name.")] = None,
    since: Annotated[Since, Query(description="Submitted then or later, with its zone.")] = None,
    before: Annotated[Since, Query(description="Submitted before that.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[JobView]:
    """Your jobs, newest first."""
    with services.database.read() as connection:
        wanted = jobs.Filter(state or (), dataset, name, since, before)
        rows, following = jobs.page(connection, principal.owner, wanted, after=cursor, limit=limit)
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
    reach("job_deleted")
    services.dashboard.forget_deleted()


@router.patch("/{job_id}")
def change(
    change: JobChange, services: CurrentServices, principal: CurrentPrincipal, job_id: str
) -> JobView:
    """Give a job another budget, from its next wave on, or another name or place in the queue.

    With a larger budget, a job that has ended goes on.
    """
    described = change.model_dump(exclude_unset=True, exclude={"budget"})
    with services.database.write() as connection:
        if described:
            jobs.describe(connection, principal.owner, job_id, **described)
        if change.budget is not None:
            spent = change.budget.model_dump(exclude_unset=True)
            budgets.change(connection, principal.owner, job_id, spent)
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
    answer = services.reports.summary(principal.owner, job_id)
    chosen, value = best_of(answer, job_id)
    if form in {"python", "torch"}:
        with services.database.read() as connection:
            row = jobs.get(connection, principal.owner, job_id)
            dataset = datasets.of_job(connection, row)
        spec = StudySpec.model_validate(row.spec)
        if form == "torch":
            return _download(snippet(spec, dataset, chosen), "text/x-python", "best_optimizer.py")
        source = script(spec, dataset, chosen, answer.finalist)
        return _download(source, "text/x-python", "best.py")
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
        finalists=answer.verdict.finalists if answer.verdict else [],
    )
    if form == "yaml":
        text = yaml.safe_dump(found.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        return _download(text, "application/yaml", "best.yaml")
    return found


def _download(text: str, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=media_type, headers=headers)


@router.get("/{job_id}/report")
def report(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> Report:
    """What the trials so far say: best, leaderboard, curves, importance, and the verdict."""
    return services.reports.report(principal.owner, job_id)
