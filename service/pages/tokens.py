"""GET /tokens: who may act for one, how much one holds."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from service import quotas, tokens
from service.errors import Forbidden
from service.login import CurrentPrincipal
from service.pages.layout import page
from service.schemas import Cursor
from service.services import CurrentServices
from service.tables import now
from service.tokens import OWNER, SCOPES

router = APIRouter()

AT_ONCE = 100
MEANINGS = {
    "read": "see what is there",
    "submit": "upload, tune, cancel",
    "admin": "everything, for everybody",
}


@router.get("/tokens")
def listing(
    request: Request,
    services: CurrentServices,
    principal: CurrentPrincipal,
    of: Annotated[str | None, Query(pattern=f"{OWNER}|^$")] = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Tokens, newest first, those that have ended as well; for administrators, of anybody."""
    holder = of or principal.owner
    if holder != principal.owner and not principal.may("admin"):
        raise Forbidden("Tokens of another owner take the scope admin.", field="of", value=of)
    with services.database.read() as connection:
        rows, following = tokens.page(connection, holder, after=cursor, limit=AT_ONCE)
        held = quotas.held(connection, holder)
    return page(
        request,
        principal,
        "tokens.html",
        rows=rows,
        following=following,
        holder=holder,
        own_token=principal.token_id,
        is_admin=principal.may("admin"),
        scopes={scope: MEANINGS[scope] for scope in SCOPES if principal.may(scope)},
        now=now(),
        held=held,
        quotas=services.quotas,
    )
