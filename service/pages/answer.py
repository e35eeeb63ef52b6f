"""GET /jobs/{id}/answer: what a job has found, for its page; and what takes longer to find out."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service import jobs, subjects
from service.answer import answer
from service.charts.shares import shares
from service.login import CurrentPrincipal
from service.pages.layout import fragment, page
from service.services import CurrentServices

router = APIRouter(prefix="/jobs/{job_id}")


@router.get("/answer")
def found(
    request: Request,
    services: CurrentServices,
    principal: CurrentPrincipal,
    job_id: str,
    whole: bool = False,
) -> HTMLResponse:
    """The verdict and what it rests on: a part of the job's page, or a page of its own."""
    summary = services.reports.summary(principal.owner, job_id)
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        subject = subjects.gather(connection, row, summary)
    behind = services.reports.is_behind(row, summary)
    shown = {"answer": answer(subject, summary), "behind": behind, "offline": False}
    if whole:
        return page(request, principal, "answer_page.html", **shown)
    return fragment("answer.html", **shown)


@router.get("/importance")
def importance(
    request: Request,
    services: CurrentServices,
    principal: CurrentPrincipal,
    job_id: str,
    whole: bool = False,
) -> HTMLResponse:
    """What each choice matters: it takes a model of all trials, which takes seconds to make."""
    found = services.reports.report(principal.owner, job_id).importance
    figure = shares(found.choices)
    if whole:
        return page(request, principal, "importance_page.html", importance=found, figure=figure)
    return fragment("answer/importance.html", importance=found, figure=figure)
