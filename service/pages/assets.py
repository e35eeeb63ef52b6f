"""GET /assets/{name}: styles and scripts; nothing in them is secret, so they need no login."""

from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from service.errors import NotFound
from service.rendering import asset

router = APIRouter()

A_YEAR = 365 * 24 * 3600


@router.get("/assets/{name}")
def one(
    name: str, v: str = "", accept_encoding: Annotated[str | None, Header()] = None
) -> Response:
    """A file, to be kept by the browser for as long as its address says that it is this one."""
    found = asset(name)
    if found is None:
        raise NotFound("There is nothing at this address.")
    kept = f"public, max-age={A_YEAR}, immutable" if v == found.digest else "no-cache"
    headers = {"Cache-Control": kept, "ETag": f'"{found.digest}"', "Vary": "Accept-Encoding"}
    if "gzip" in (accept_encoding or ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.compressed, media_type=found.media_type, headers=headers)
    return Response(found.body, media_type=found.media_type, headers=headers)
