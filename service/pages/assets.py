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
    name: str,
    v: str = "",
    accept_encoding: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A file, to be kept by the browser for as long as its address says that it is this one."""
    found = asset(name)
    if found is None:
        raise NotFound("There is nothing at this address.")
    kept = f"public, max-age={A_YEAR}, immutable" if v == found.digest else "no-cache"
    tag = f'"{found.digest}"'
    headers = {"Cache-Control": kept, "ETag": tag, "Vary": "Accept-Encoding"}
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in (accept_encoding or ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.compressed, media_type=found.media_type, headers=headers)
    return Response(found.body, media_type=found.media_type, headers=headers)
