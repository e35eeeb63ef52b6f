"""POST and GET /v1/datasets."""

import asyncio
import re
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from service import datasets
from service.errors import Invalid, Timeout, TooLarge, UnsupportedMedia
from service.login import CurrentPrincipal
from service.schemas import Cursor, DatasetView, Page, dataset_view
from service.services import CurrentServices, Services

router = APIRouter(prefix="/datasets", tags=["datasets"])

Name = Annotated[
    str,
    Query(
        pattern=r"^\w[\w .-]{0,63}$",
        description="A label: letters, digits, spaces, dots, dashes and underscores.",
    ),
]
CSV = frozenset({"", "text/csv", "application/csv", "application/octet-stream"})


@router.post("", status_code=201)
async def upload(
    request: Request,
    services: CurrentServices,
    principal: CurrentPrincipal,
    name: Name,
    target: Annotated[str | None, Query(description="Column to predict.")] = None,
) -> DatasetView:
    """Upload a CSV file with a header as the raw body of the request."""
    _check_declared(request, services.settings.max_upload_bytes)
    with services.store.draft() as draft:
        try:
            async with asyncio.timeout(services.settings.upload_timeout_seconds):
                await _receive(request, draft, services.settings.max_upload_bytes)
        except TimeoutError:
            seconds = services.settings.upload_timeout_seconds
            raise Timeout(f"The upload did not arrive within {seconds:g} seconds.") from None
        dataset_id = await run_in_threadpool(
            datasets.add,
            services.database,
            services.store,
            draft,
            owner=principal.owner,
            name=name,
            target=target,
        )
    return await run_in_threadpool(_view, services, principal.owner, dataset_id)


@router.get("")
def listing(
    services: CurrentServices,
    principal: CurrentPrincipal,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Page[DatasetView]:
    """Your datasets, newest first."""
    with services.database.read() as connection:
        rows, following = datasets.page(connection, principal.owner, after=cursor, limit=limit)
    return Page(items=[dataset_view(row) for row in rows], next=following)


@router.get("/{dataset_id}")
def one(services: CurrentServices, principal: CurrentPrincipal, dataset_id: str) -> DatasetView:
    """One dataset: its columns, their kinds, and what to look out for."""
    return _view(services, principal.owner, dataset_id)


def _view(services: Services, owner: str, dataset_id: str) -> DatasetView:
    with services.database.read() as connection:
        return dataset_view(datasets.get(connection, owner, dataset_id))


def _check_declared(request: Request, limit: int) -> None:
    """Refuse by the headers alone, before a byte of the body is read."""
    declared = request.headers.get("content-length", "0")
    if not re.fullmatch(r"[0-9]{1,18}", declared):
        raise Invalid(
            "Content-Length must be a number of bytes.", field="Content-Length", value=declared
        )
    if int(declared) > limit:
        raise _too_large(int(declared), limit)
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedMedia(
            f"The body must not be compressed. Got {encoding!r}.",
            field="Content-Encoding",
            value=encoding,
            allowed="identity",
        )
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in CSV:
        raise UnsupportedMedia(
            f"The body must be a CSV file, as text/csv. Got {kind!r}.",
            field="Content-Type",
            value=kind,
            allowed="text/csv",
        )


async def _receive(request: Request, draft: Path, limit: int) -> None:
    """Write the body to a file, counting its bytes."""
    received = 0
    with draft.open("wb") as file:
        async for chunk in request.stream():
            received += len(chunk)
            if received > limit:
                raise _too_large(received, limit)
            # A chunk is a few hundred KiB at most and goes to the page cache: no thread is worth it.
            file.write(chunk)


def _too_large(size: int, limit: int) -> TooLarge:
    return TooLarge(
        f"The upload has {size:,} bytes or more; at most {limit:,} are accepted.",
        field="body",
        value=size,
        allowed=f"at most {limit} bytes",
    )
