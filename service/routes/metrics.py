"""GET /metrics: the server's numbers for Prometheus."""

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBearer

from service.errors import Forbidden
from service.login import CurrentPrincipal
from service.metrics import CONTENT_TYPE
from service.services import CurrentServices

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={403: {}},
    dependencies=[Depends(HTTPBearer(auto_error=False))],
)
def scrape(services: CurrentServices, principal: CurrentPrincipal) -> PlainTextResponse:
    """What Prometheus scrapes, with a token of the scope admin: it counts everybody's jobs."""
    if not principal.may("admin"):
        raise Forbidden("The numbers of the whole server take the scope admin.")
    return PlainTextResponse(services.metrics.text(), media_type=CONTENT_TYPE)
