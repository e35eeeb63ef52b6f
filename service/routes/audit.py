"""GET /v1/audit: who changed what."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from service import audit
from service.errors import Forbidden
from service.login import CurrentPrincipal
from service.schemas import Cursor, Limit, Page
from service.services import CurrentServices
from service.tokens import OWNER

router = APIRouter(prefix="/audit", tags=["audit"])


class AuditEntry(BaseModel):
    """One request that may have changed something."""

    id: str
    at: datetime
    owner: str
    token_id: str = Field(description="Of the token that it came with.")
    method: str
    path: str
    status: int = Field(description="Of the answer; 0 if the connection broke before it.")
    request_id: str
    address: str | None


@router.get("", responses={403: {}})
def listing(
    services: CurrentServices,
    principal: CurrentPrincipal,
    owner: Annotated[
        str | None,
        Query(pattern=OWNER, description="Only of this one; others than you take the scope admin."),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[AuditEntry]:
    """Requests that changed something or were refused, newest first: yours; of all for the scope admin."""
    if not principal.may("admin"):
        if owner not in {None, principal.owner}:
            raise Forbidden("The log of another takes the scope admin.", field="owner", value=owner)
        owner = principal.owner
    with services.database.read() as connection:
        rows, following = audit.page(connection, owner, after=cursor, limit=limit)
    return Page(items=[AuditEntry.model_validate(row._mapping) for row in rows], next=following)
