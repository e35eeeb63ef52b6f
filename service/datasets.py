"""Datasets: an upload becomes a canonical table in the store and a row in the database."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, insert

from service import owned
from service.database import Database
from service.ingest import head
from service.ingest.apart import read_apart
from service.store import Store
from service.tables import datasets
from studies.data.dialect import Dialect
from studies.data.schema import TableSchema
from studies.errors import unknown

FIRST_ROWS = 5


def add(
    database: Database,
    store: Store,
    upload: Path,
    *,
    owner: str,
    name: str,
    target: str | None,
    media_type: str = "",
) -> str:
    """Check an uploaded file, keep it in canonical form, and return the dataset's id.

    Raises:
        DataError: the file is no table that can be learned from.
        SpecError: there is no column of the target's name.
    """
    with store.draft() as draft:
        read = read_apart(upload, media_type, draft)
        names = [column.name for column in read.schema.columns]
        if target is not None and target not in names:
            raise unknown("target", target, names)
        size = draft.stat().st_size
        digest = store.put(draft)
    dataset_id = str(uuid_utils.uuid7())
    with database.write() as connection:
        connection.execute(
            insert(datasets).values(
                id=dataset_id,
                owner=owner,
                name=name,
                digest=digest,
                rows=read.schema.rows,
                columns=[column.model_dump(mode="json") for column in read.schema.columns],
                bytes=size,
                warnings=list(read.warnings),
                format=read.format.model_dump(mode="json"),
                target=target,
            )
        )
    return dataset_id


def get(connection: Connection, owner: str, dataset_id: str) -> Row[Any]:
    """The row of an owner's dataset.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    return owned.get(connection, datasets, owner, "dataset", dataset_id)


def page(
    connection: Connection, owner: str, *, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """An owner's datasets, newest first, and the cursor of the next page."""
    return owned.page(connection, datasets, owner, after=after, limit=limit)


def first_rows(store: Store, row: Row[Any]) -> list[dict[str, Any]]:
    """The first rows of a dataset, as a look at it: values by column."""
    return head(store.path(row.digest), FIRST_ROWS)


def dialect(row: Row[Any]) -> Dialect:
    """How the text file is written that a script may be given: the upload, or else our own CSV."""
    if row.format is None or row.format["kind"] != "text":
        return Dialect()
    return Dialect.model_validate(row.format)


def schema(row: Row[Any]) -> TableSchema:
    """What the dataset holds."""
    return TableSchema.model_validate(
        {"rows": row.rows, "columns": row.columns, "warnings": row.warnings}
    )
