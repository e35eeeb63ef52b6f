"""GET /jobs/{id}/answer: the best configuration so far."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from service.login import CurrentPrincipal
from service.pages.layout import fragment
from service.services import CurrentServices

router = APIRouter()


@router.get("/jobs/{job_id}/answer")
def answer(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> HTMLResponse:
    """Stands in until the real one is here."""
    found = services.reports.summary(principal.owner, job_id)
    return fragment("answer.html", best=found.best, metric=found.metric)
