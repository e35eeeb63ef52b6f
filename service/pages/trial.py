"""GET /jobs/{id}/trials/{number}: one trial, its configuration, its curve, what happened to it."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service import datasets, jobs, trials
from service.charts.frame import Figure
from service.charts.scores import scale
from service.colours import COLOURS
from service.errors import NotFound
from service.login import CurrentPrincipal
from service.pages.layout import page
from service.pages.live_chart import figure
from service.schemas import JobView, Number, TrialDetail, job_view, trial_detail
from service.services import CurrentServices

router = APIRouter()


@router.get("/jobs/{job_id}/trials/{number}")
def trial_page(
    request: Request,
    services: CurrentServices,
    principal: CurrentPrincipal,
    job_id: str,
    number: Number,
) -> HTMLResponse:
    """A trial of a job."""
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        found = trials.read(connection, row.study_id, intermediate=True, numbers=[number])
        dataset = datasets.of_job(connection, row) if row.dataset_id else None
    if not found:
        raise NotFound(f"There is no trial {number} in this job.", field="number", value=number)
    job = job_view(row)
    trial = trial_detail(found[0], job.spec)
    return page(
        request,
        principal,
        "trial.html",
        job=job,
        title=job.name or (dataset.name if dataset else "External job"),
        trial=trial,
        figure=_curve(job, trial),
    )


def _curve(job: JobView, trial: TrialDetail) -> Figure | None:
    known = {epoch: value for epoch, value in trial.curve.items() if value is not None}
    if not known:
        return None
    name = trial.config["optimizer"]["name"]
    line = {
        "name": name,
        "mode": "lines+markers",
        "x": list(known),
        "y": list(known.values()),
        "line": {"color": COLOURS[0]},
        "marker": {"size": 4},
        "hovertemplate": "epoch %{x}: %{y:.5g}<extra></extra>",
    }
    scores = scale(known.values(), maximize=job.direction == "maximize")
    return figure(job, [name], [line], scores, x="epoch")
