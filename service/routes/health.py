"""Is the server there (GET /healthz), and can it do its work (GET /readyz). Neither needs a login."""

from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text

from service.errors import FieldProblem, Unavailable
from service.services import CurrentServices

router = APIRouter()


class Health(BaseModel):
    """The state of the server."""

    status: Literal["ok"]
    version: str
    database: Literal["ok"]


class Ready(BaseModel):
    """Nothing keeps the server from its work."""

    status: Literal["ready"]


@router.get("/healthz")
def health(request: Request) -> Health:
    """Whether the server can do its work; 503 when it cannot reach its database."""
    with request.app.state.services.database.read() as connection:
        connection.execute(text("SELECT 1"))
    return Health(status="ok", version=version("fallline"), database="ok")


@router.get("/readyz")
def ready(services: CurrentServices) -> Ready:
    """Whether the server can write, store and train now; 503 names each part that is not ready.

    The parts are `database`, `blobs` and `workers`. It is looked at once a second, however often asked.
    """
    found = services.readiness.obstacles()
    if found:
        told = "; ".join(f"{each.part}: {each.message}" for each in found)
        errors = [FieldProblem(each.part, each.message) for each in found]
        raise Unavailable(f"Not ready. {told}.", errors=errors)
    return Ready(status="ready")
