"""Who is asking: a bearer token from a program, a cookie from a browser.

Every address needs a login unless it is listed as public, whatever answers there.
"""

import time
from dataclasses import dataclass
from typing import Annotated, NamedTuple
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service import tokens
from service.database import Database
from service.errors import Forbidden, Unauthorized
from service.login_page import local, login_page
from service.rate_limits import RateLimits
from service.tokens import Principal

PUBLIC = frozenset({"/healthz", "/readyz", "/login"})
ASSETS = "/assets/"  # of pages, the login's too
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE_SECONDS = 30 * 24 * 3600

router = APIRouter(include_in_schema=False)


KNOWN_SECONDS = 1.0  # at most: an expiry writes nothing
MOST_KNOWN = 1000


@dataclass(frozen=True)
class _Credential:
    token: str
    is_cookie: bool


class _Known(NamedTuple):
    """Who holds a token, looked up a moment ago."""

    principal: Principal
    version: int  # of the database: a revocation makes another
    until: float


class LoginRequired:
    """Refuses every request that does not say who is asking; notes who it is.

    Args:
        app: what needs a login.
        database: where tokens are looked up.
        cookie: name of the cookie.
        limits: how often one may ask.
    """

    def __init__(self, app: ASGIApp, database: Database, cookie: str, limits: RateLimits) -> None:
        self._app = app
        self._database = database
        self._cookie = cookie
        self._limits = limits
        self._known: dict[str, _Known] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, if it may be asked."""
        if scope["type"] == "http" and not _is_public(scope["path"]):
            await self._log_in(HTTPConnection(scope))
        await self._app(scope, receive, send)

    async def _log_in(self, request: HTTPConnection) -> None:
        credential = _credential(request, self._cookie)
        is_safe = request.scope["method"] in SAFE_METHODS
        if credential.is_cookie and not is_safe:
            _check_same_origin(request)
        try:
            principal = await self._find(credential.token)
        except Unauthorized:
            self._limits.refuse(_client(request))
            raise
        request.state.principal = principal
        self._limits.admit(principal.owner)
        if not principal.may("read" if is_safe else "submit"):
            raise Forbidden("This token only allows reading.")

    async def _find(self, token: str) -> Principal:
        """Who holds a token; of many requests in a moment one asks the database."""
        digest, version = tokens.digest(token), self._database.version
        known = self._known.get(digest)
        if known and known.version == version and time.monotonic() < known.until:
            return known.principal
        principal = await run_in_threadpool(_find, self._database, token)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[digest] = _Known(principal, version, time.monotonic() + KNOWN_SECONDS)
        return principal


def cookie_name(port: int) -> str:
    """The cookie's name: browsers share cookies between the ports of a host."""
    return f"fallline_{port}"


async def current_principal(request: Request) -> Principal:
    """FastAPI dependency: who is asking. Not in a thread, which would take longer than it does.

    Raises:
        Unauthorized: nobody is logged in.
    """
    principal = getattr(request.state, "principal", None)
    if not isinstance(principal, Principal):
        raise Unauthorized("This needs a token.")
    return principal


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


@router.get("/login")
def log_in(request: Request, token: str | None = None) -> Response:
    """Exchange a token for a cookie, the redirect takes it out of the address; or ask for it."""
    if token is None:
        return login_page("/", status=200)
    _check(request, token)
    return _let_in(request, token, "/")


@router.post("/login")
async def log_in_by_form(request: Request) -> Response:
    """The same for what was typed into the login page."""
    fields = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
    token, following = fields.get("token", "").strip(), fields.get("next", "/")
    try:
        await run_in_threadpool(_check, request, token)
    except Unauthorized:
        return login_page(following, refused=True)
    return _let_in(request, token, local(following))


@router.post("/logout")
def log_out(request: Request) -> Response:
    """Forget the cookie; the token stays valid."""
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(cookie_name(request.app.state.services.settings.port))
    return answer


def _check(request: Request, token: str) -> None:
    """Refuse a token that nobody has, and soon whoever sends many of them."""
    try:
        _find(request.app.state.services.database, token)
    except Unauthorized:
        request.app.state.limits.refuse(_client(request))
        raise


def _let_in(request: Request, token: str, following: str) -> Response:
    answer = RedirectResponse(following, status_code=303)
    answer.headers["Cache-Control"] = "no-store"
    answer.set_cookie(
        cookie_name(request.app.state.services.settings.port),
        token,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def _client(request: HTTPConnection) -> str:
    return request.client.host if request.client else ""


def _is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(ASSETS)


def _find(database: Database, token: str) -> Principal:
    with database.read() as connection:
        principal = tokens.find(connection, token)
    if principal is None:
        raise Unauthorized("The token is missing or not valid.")
    return principal


def _credential(request: HTTPConnection, cookie: str) -> _Credential:
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("The Authorization header must be `Bearer` and a token.")
        return _Credential(token.strip(), is_cookie=False)
    if cookie in request.cookies:
        return _Credential(request.cookies[cookie], is_cookie=True)
    raise Unauthorized("This needs a token, in the header `Authorization: Bearer TOKEN`.")


def _check_same_origin(request: HTTPConnection) -> None:
    """A browser sends the cookie by itself, so its user need not have meant this request."""
    site = request.headers.get("sec-fetch-site")
    own = f"{request.url.scheme}://{request.headers.get('host')}"
    same = site == "same-origin" if site else request.headers.get("origin") == own
    if not same:
        raise Forbidden("A browser may change things only from Fallline's own pages.")
