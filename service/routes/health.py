"""GET /healthz: is the server there and can it reach its database. Needs no login."""

from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text

router = APIRouter()


class Health(BaseModel):
    """The state of the server."""

    status: Literal["ok"]
    version: str
    database: Literal["ok"]


@router.get("/healthz")
def health(request: Request) -> Health:
    """Whether the server can do its work; 503 when it cannot reach its database."""
    with request.app.state.services.database.read() as connection:
        connection.execute(text("SELECT 1"))
    return Health(status="ok", version=version("fallline"), database="ok")
