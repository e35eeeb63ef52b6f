"""POST and GET /v1/datasets."""

import asyncio
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service import datasets
from service.errors import Invalid, Timeout, TooLarge, UnsupportedMedia
from service.ingest import TYPES, UNSAID, Said, as_csv
from service.ingest.upload import TextEncoding
from service.login import CurrentPrincipal
from service.openapi import LOCATION
from service.routes.idempotency import CurrentRequest
from service.routes.trial_files import CsvFile
from service.schemas import LABEL, Cursor, DatasetDetail, DatasetView, Limit, Page, dataset_view
from service.services import CurrentServices, Services

router = APIRouter(prefix="/datasets", tags=["datasets"])

Name = Annotated[
    str,
    Query(
        pattern=LABEL,
        description="A label: letters, digits, spaces, dots, dashes and underscores.",
    ),
]


EXAMPLE = "size,weight,kind\n0.5,1,a\n1.5,4,b\n"
BODIES: dict[str, Any] = {
    media_type: (
        {"schema": {"type": "string"}, "example": EXAMPLE}
        if media_type == "text/csv"
        else {"schema": {"type": "string", "format": "binary"}}
    )
    for media_type in (*TYPES, *sorted(UNSAID - {""}))
}


@router.post(
    "",
    status_code=201,
    responses={201: LOCATION, 408: {}},
    # FastAPI does not see what a handler reads for itself.
    openapi_extra={"requestBody": {"required": True, "content": BODIES}},
)
async def upload(
    request: Request,
    response: Response,
    services: CurrentServices,
    principal: CurrentPrincipal,
    asked: CurrentRequest,
    name: Name,
    target: Annotated[str | None, Query(description="Column to predict.")] = None,
    encoding: Annotated[TextEncoding | None, Query(description="Of a text file.")] = None,
    delimiter: Annotated[
        Literal[",", ";", "\t", "|"] | None, Query(description="Between values of a text file.")
    ] = None,
    decimal: Annotated[
        Literal[".", ","] | None, Query(description="Before the decimals of a text file.")
    ] = None,
) -> DatasetDetail:
    """Upload a table as the raw body of the request: CSV and its kin, Parquet, or NPZ.

    Delimiter, encoding and decimal commas of a text file are found out unless they are said; it needs
    a header. Images are an array in an NPZ file, or a ZIP of pictures in class folders. A body
    of the type application/octet-stream is known by its first bytes.
    """
    media_type = _check_declared(request, services.settings.max_upload_bytes)
    await run_in_threadpool(_check_quota, services, principal.owner)
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
            asked,
            name=name,
            target=target,
            quotas=services.quotas,
            media_type=media_type,
            said=Said(encoding=encoding, delimiter=delimiter, decimal=decimal),
        )
    response.headers["Location"] = f"/v1/datasets/{dataset_id}"
    return await run_in_threadpool(_detail, services, principal.owner, dataset_id)


@router.get("")
def listing(
    services: CurrentServices,
    principal: CurrentPrincipal,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DatasetView]:
    """Your datasets, newest first."""
    with services.database.read() as connection:
        rows, following = datasets.page(connection, principal.owner, after=cursor, limit=limit)
    return Page(items=[dataset_view(row) for row in rows], next=following)


@router.get("/{dataset_id}")
def one(services: CurrentServices, principal: CurrentPrincipal, dataset_id: str) -> DatasetDetail:
    """One dataset: its columns, their kinds, its first rows, and what to look out for."""
    return _detail(services, principal.owner, dataset_id)


@router.get("/{dataset_id}/csv", response_class=CsvFile)
def as_text(services: CurrentServices, principal: CurrentPrincipal, dataset_id: str) -> CsvFile:
    """The whole table as CSV, whatever it was uploaded as; `best.py` reads it."""
    with services.database.read() as connection:
        row = datasets.get(connection, principal.owner, dataset_id)
    return CsvFile(
        as_csv(services.store.path(row.digest)),
        headers={"Content-Disposition": 'attachment; filename="data.csv"'},
    )


@router.delete("/{dataset_id}", status_code=204)
def delete(services: CurrentServices, principal: CurrentPrincipal, dataset_id: str) -> None:
    """Delete a dataset that no job uses."""
    datasets.delete(services.database, services.store, principal.owner, dataset_id)


def _detail(services: Services, owner: str, dataset_id: str) -> DatasetDetail:
    with services.database.read() as connection:
        row = datasets.get(connection, owner, dataset_id)
    first = datasets.first_rows(services.store, row)
    return DatasetDetail.model_validate({**row._mapping, "first_rows": first})


def _check_quota(services: Services, owner: str) -> None:
    """Before it is received: whether there is any room."""
    with services.database.read() as connection:
        services.quotas.check_bytes(connection, owner, more=1)


def _check_declared(request: Request, limit: int) -> str:
    """The media type; refused by the headers alone, before a byte of the body is read."""
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
    if kind not in TYPES and kind not in UNSAID:
        raise UnsupportedMedia(
            f"The body must be a table, as one of {', '.join(TYPES)}. Got {kind!r}.",
            field="Content-Type",
            value=kind,
            allowed=list(TYPES),
        )
    return kind


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
