"""GET /v1/jobs/{id}/report.html: a job's report as one file that opens without a network."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from service import jobs, report_page, subjects
from service.answer import answer
from service.login import CurrentPrincipal
from service.services import CurrentServices

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"])


@router.get("/report.html", response_class=HTMLResponse)
def page(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> HTMLResponse:
    """The report as a page to read, send and keep: everything that it shows is inside."""
    found = services.reports.report(principal.owner, job_id)
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        subject = subjects.gather(connection, row, found)
    body = report_page.render(answer(subject, found), found.importance)
    headers = {
        "Content-Disposition": 'inline; filename="report.html"',
        "Content-Security-Policy": report_page.policy(),
    }
    return HTMLResponse(body, headers=headers)
