"""GET /jobs/{id}: a job as it goes, and what can be done about it."""

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Connection, Row
from starlette.responses import HTMLResponse, JSONResponse

from service import datasets, jobs, trials
from service.login import CurrentPrincipal
from service.pages.best_so_far import by_time, by_trials
from service.pages.layout import page
from service.pages.learning_curves import chosen, learning_curves
from service.pages.live_chart import Chart
from service.schemas import JobView, job_view
from service.services import CurrentServices
from studies.report import view
from studies.space import Space

router = APIRouter(prefix="/jobs/{job_id}")

LATEST = 12  # trials in the table

OUTCOMES = {
    "completed": "completed",
    "dropped": "dropped",
    "diverged": "diverged",
    "stopped": "stopped",
    "running": "training",
}
"""What the bar counts, in its order, and how it is called there."""


@router.get("")
def job_page(
    request: Request, services: CurrentServices, principal: CurrentPrincipal, job_id: str
) -> HTMLResponse:
    """What was asked for, how far it is, what has come of it so far."""
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        dataset = datasets.of_job(connection, row) if row.dataset_id else None
        ended = trials.latest(connection, row.study_id, limit=LATEST)
        place = _place(connection, row)
    job = job_view(row)
    space = Space(job.spec)
    return page(
        request,
        principal,
        "job.html",
        job=job,
        dataset=dataset,
        phase=phase(job),
        share=share(job),
        ended=counted(job),
        outcomes=OUTCOMES,
        latest=[view(trial, space) for _, trial in ended],
        most=LATEST,
        mark=ended[0][0] if ended else 0,
        place=place,
        workers=services.engine.workers,
        is_admin=principal.may("admin"),
    )


@router.get("/live.json")
def live(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> JSONResponse:
    """What the events of a job do not tell: its charts, its place in the queue, who trains."""
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        place = _place(connection, row)
        job = job_view(row)
        known = trials.outlines(connection, row.study_id, job.metric)
        curves = trials.curves(connection, row.study_id, chosen(job, known))
    optimizers = Space(job.spec).optimizers
    charts: dict[str, Chart] = {}
    if any(each.outcome != "running" for each in known):
        charts = {
            "by_trials": by_trials(job, known, optimizers),
            "by_time": by_time(job, known, optimizers, job.started or job.created),
            "curves": learning_curves(job, known, curves, optimizers),
        }
    found: dict[str, Any] = {"workers": services.engine.workers, "place": place}
    drawn = {name: chart._asdict() for name, chart in charts.items()}
    return JSONResponse(found | {"charts": drawn}, headers={"Cache-Control": "no-store"})


def phase(job: JobView) -> str:
    """The state of a job, or what a running one is at."""
    confirming = job.state == "running" and job.finalists and not job.confirmed
    return "confirming" if confirming else job.state


def counted(job: JobView) -> int:
    """How many trials have ended, however."""
    counts = job.counts
    return counts.completed + counts.dropped + counts.diverged + counts.stopped


def share(job: JobView) -> float:
    """How much of its budget a job has spent, by whichever limit it is nearer to."""
    spent, seconds = counted(job) / job.counts.total, job.spec.budget.seconds
    return min(1.0, max(spent, job.seconds / seconds if seconds else 0.0))


def _place(connection: Connection, row: Row[Any]) -> str | None:
    """What a queued job waits for."""
    if row.state != "queued":
        return None
    ahead = jobs.ahead(connection, row)
    if not ahead:
        return "Next of your jobs"
    return f"{ahead} of your jobs {'goes' if ahead == 1 else 'go'} first"
