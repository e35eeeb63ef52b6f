"""The server's application: every part of it, put together.

From the outside in: the gate (request id, Host, headers, last resort), the login, then the
dashboard or our own routes and pages.
"""

import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from importlib.metadata import version
from typing import Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp
from uvicorn.config import LOGGING_CONFIG

from service import login, pages, problems
from service.audit import Audited
from service.body_limit import BodyLimit
from service.dashboard import Dispatcher
from service.gate import Gate
from service.login import LoginRequired, cookie_name, current_principal
from service.openapi import DESCRIPTION, Api
from service.protocol import Protocol
from service.rate_limits import RateLimits
from service.routes import (
    audit,
    catalogue,
    datasets,
    events,
    external,
    health,
    jobs,
    manifest,
    metrics,
    models,
    profile,
    reference,
    report_page,
    submission,
    tokens,
    trial_files,
    trials,
)
from service.routes.strictness import only_what_is_known
from service.services import Services
from service.settings import Settings
from service.shared_answers import SharedAnswers


def create_app(services: Services) -> ASGIApp:
    """Put the application together.

    Args:
        services: what it works with; open, and closed by whoever opened them.

    Returns:
        The ASGI application.
    """
    own = Api(
        title="Fallline",
        description=DESCRIPTION,
        version=version("fallline"),
        lifespan=_lifespan,
        # An address is there or it is not: a redirect is an answer that no operation describes.
        redirect_slashes=False,
        # Both are routes of /v1, behind the login.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    settings = services.settings
    own.state.services = services
    own.state.limits = limits = RateLimits(
        settings.requests_per_minute, settings.wrong_tokens_per_minute
    )
    problems.install(own)
    own.include_router(_v1())
    own.include_router(login.router)
    own.include_router(health.router)
    own.include_router(metrics.router)
    own.include_router(pages.router)

    inner = SharedAnswers(Dispatcher(own, services.dashboard), services.database)
    cookie = cookie_name(settings.port)
    guarded = LoginRequired(BodyLimit(inner), services.database, cookie, limits)
    return Gate(
        Audited(guarded, services.database), settings.allowed_hosts, services.metrics.answered
    )


class _Server(uvicorn.Server):
    """Waits, as it stops, for every answer to end; first it asks for that."""

    def __init__(self, config: uvicorn.Config, closing: threading.Event) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        await super().shutdown(sockets)


def server(app: ASGIApp, settings: Settings, closing: threading.Event) -> uvicorn.Server:
    """The HTTP server for an application; `run` starts it, and sets `closing` as it stops.

    The gate writes the access log, because uvicorn's would show query strings.
    """
    return _Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=Protocol,
            # Longer than clients keep theirs (httpx: 5 s): else one sends into a connection that is
            # being closed, and cannot know whether its request was heard.
            timeout_keep_alive=75,
            log_config=_log_config(settings.log_level, settings.log_format),
            access_log=False,
            server_header=False,
            proxy_headers=False,
        ),
        closing,
    )


def _log_config(level: str, form: str) -> dict[str, Any]:
    config = deepcopy(LOGGING_CONFIG)
    if form == "json":
        config["formatters"]["default"] = {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(levelname)s %(name)s %(message)s",
            "rename_fields": {"levelname": "level", "name": "logger"},
            "timestamp": "time",
        }
    ours = {"handlers": ["default"], "level": level.upper()}
    loggers = {
        "uvicorn": {**ours, "propagate": False},
        "uvicorn.access": {"level": "CRITICAL"},  # silent, whoever attaches a handler to it
        "service": ours,
    }
    return config | {"loggers": loggers}


def _v1() -> APIRouter:
    # Nothing under /v1 can be reached without a login, even if the outer guard were lost.
    v1 = APIRouter(
        prefix="/v1",
        # The scheme only tells the OpenAPI document how to log in.
        dependencies=[
            Depends(HTTPBearer(auto_error=False)),
            Depends(current_principal),
            Depends(only_what_is_known),
        ],
    )
    for routes in (
        datasets,
        submission,
        jobs,
        trials,
        trial_files,
        events,
        external,
        models,
        report_page,
        manifest,
        profile,
        catalogue,
        tokens,
        audit,
        reference,
    ):
        v1.include_router(routes.router)
    return v1


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
