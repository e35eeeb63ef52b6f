"""GET /healthz and /readyz: is the server there, and can it take work. Neither needs a login."""

from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text

from service.errors import Unavailable
from service.services import CurrentServices

router = APIRouter()


class Health(BaseModel):
    """The state of the server."""

    status: Literal["ok"]
    version: str
    database: Literal["ok"]


class Ready(BaseModel):
    """That nothing is missing."""

    status: Literal["ready"]


@router.get("/healthz")
def health(request: Request) -> Health:
    """Whether the server is there; 503 when it cannot reach its database."""
    with request.app.state.services.database.read() as connection:
        connection.execute(text("SELECT 1"))
    return Health(status="ok", version=version("fallline"), database="ok")


@router.get("/readyz")
def ready(services: CurrentServices) -> Ready:
    """Whether the server can take work; 503 names what is missing.

    That is: the database and the store can be written, the disk has room, the workers are there.
    """
    missing = services.readiness.missing()
    if missing:
        said = "; ".join(f"{part}: {problem}" for part, problem in missing.items())
        raise Unavailable(f"Not ready. {said}.")
    return Ready(status="ready")
