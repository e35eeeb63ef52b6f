"""GET /v1/jobs/{id}/report.html: a job's report as one file that opens without a network."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from service import datasets, jobs, report_page
from service.login import CurrentPrincipal
from service.report_page import Subject
from service.services import CurrentServices
from studies.spec import StudySpec

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"])


@router.get("/report.html", response_class=HTMLResponse, responses={409: {}})
def page(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> HTMLResponse:
    """The report as a page to read, send and keep: everything that it shows is inside."""
    found = services.reports.report(principal.owner, job_id)
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        dataset = datasets.of_job(connection, row)
    subject = Subject(
        job=job_id,
        dataset=dataset.name,
        digest=dataset.digest,
        rows=dataset.rows,
        spec=StudySpec.model_validate(row.spec),
        warnings=row.warnings,
        seconds=row.seconds,
        finished=row.finished,
    )
    headers = {
        "Content-Disposition": 'inline; filename="report.html"',
        "Content-Security-Policy": report_page.policy(),
    }
    return HTMLResponse(report_page.render(subject, found), headers=headers)
