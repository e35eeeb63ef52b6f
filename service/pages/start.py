"""GET /: from a file to a running job."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service.login import CurrentPrincipal
from service.pages.layout import page

router = APIRouter()


@router.get("/")
def start(request: Request, principal: CurrentPrincipal) -> HTMLResponse:
    """Drop a file or pick a sample, choose a question, press one button."""
    return page(request, principal, "start.html")
