"""POST, GET and DELETE /v1/tokens."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from service import tokens
from service.errors import Conflict, Forbidden, Invalid
from service.login import CurrentPrincipal
from service.routes.idempotency import CurrentRequest
from service.schemas import LABEL, Cursor, Limit, Page
from service.services import CurrentServices
from service.tables import now
from service.tokens import OWNER, Principal, Scope

router = APIRouter(prefix="/tokens", tags=["tokens"])


class TokenRequest(BaseModel):
    """Who may do what, and until when."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "laptop", "scopes": ["read"]}]}
    )

    name: str = Field(pattern=LABEL, description="A label for the list.")
    owner: str | None = Field(
        default=None,
        pattern=OWNER,
        description="For whom it acts; left out, for you. Another owner takes the scope admin.",
    )
    scopes: list[Scope] = Field(
        default=["read", "submit"],
        min_length=1,
        description="read: see what is there; submit: upload, tune, cancel; admin: everything.",
    )
    expires: AwareDatetime | None = Field(default=None, description="Left out, it does not end.")


class TokenView(BaseModel):
    """A token, without what would let anybody in."""

    id: str
    owner: str
    name: str
    last4: str = Field(description="Its last four characters.")
    scopes: list[Scope]
    created: datetime
    expires: datetime | None
    revoked: datetime | None


class NewToken(TokenView):
    """A token that was just made."""

    token: str = Field(description="Keep it: it is shown this once.")


@router.post("", status_code=201)
def make(
    request: TokenRequest,
    services: CurrentServices,
    principal: CurrentPrincipal,
    asked: CurrentRequest,
) -> NewToken:
    """Make a token that allows no more than yours; with a key that was used, there is none to show."""
    owner = request.owner or principal.owner
    _check_owner(principal, owner)
    beyond = sorted(scope for scope in request.scopes if not principal.may(scope))
    if beyond:
        raise Forbidden(
            f"A token cannot allow what yours does not: {', '.join(beyond)}.",
            field="scopes",
            value=beyond,
            allowed=sorted(principal.scopes),
        )
    if request.expires is not None and request.expires <= now():
        raise Invalid(
            "expires must be in the future.", field="expires", value=request.expires.isoformat()
        )
    shown: list[str] = []

    def create() -> str:
        made = tokens.create(
            connection,
            owner=owner,
            name=request.name,
            scopes=request.scopes,
            expires=request.expires,
        )
        shown.append(made.token)
        return made.id

    with services.database.write() as connection:
        token_id = asked.once(connection, request.model_dump(mode="json"), create)
        row = tokens.get(connection, principal, token_id)
    if not shown:
        raise Conflict(
            f"An earlier request made this token, {row.name!r}; it was shown that once. If the answer "
            "was lost, revoke it and make another.",
            field="idempotency-key",
            value=asked.key,
            allowed="a key of its own for every token",
        )
    return NewToken.model_validate({**row._mapping, "token": shown[0]})


@router.get("", responses={403: {}})
def listing(
    services: CurrentServices,
    principal: CurrentPrincipal,
    owner: Annotated[
        str | None, Query(pattern=OWNER, description="Another's; takes the scope admin.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[TokenView]:
    """Your tokens, newest first; those that have ended as well."""
    owner = owner or principal.owner
    _check_owner(principal, owner)
    with services.database.read() as connection:
        rows, following = tokens.page(connection, owner, after=cursor, limit=limit)
    return Page(items=[TokenView.model_validate(row._mapping) for row in rows], next=following)


@router.delete("/{token_id}")
def revoke(services: CurrentServices, principal: CurrentPrincipal, token_id: str) -> TokenView:
    """End a token now; requests with it are refused from the next one on."""
    with services.database.write() as connection:
        row = tokens.get(connection, principal, token_id)
        if "admin" in row.scopes and not principal.may("admin"):
            raise Forbidden("Only an administrator may end an administrator's token.")
        tokens.revoke(connection, token_id)
        row = tokens.get(connection, principal, token_id)
    return TokenView.model_validate(row._mapping)


def _check_owner(principal: Principal, owner: str) -> None:
    if owner != principal.owner and not principal.may("admin"):
        raise Forbidden("Tokens of another owner take the scope admin.", field="owner", value=owner)
