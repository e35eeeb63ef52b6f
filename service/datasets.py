"""Datasets: an upload becomes a canonical table in the store and a row in the database."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, insert

from service import owned
from service.database import Database
from service.ingest import read_csv, write_parquet
from service.store import Store
from service.tables import datasets
from studies.data.schema import TableSchema, describe
from studies.errors import unknown


def add(
    database: Database, store: Store, upload: Path, *, owner: str, name: str, target: str | None
) -> str:
    """Check an uploaded CSV file, keep it in canonical form, and return the dataset's id.

    Raises:
        DataError: the file is no table that can be learned from.
        SpecError: there is no column of the target's name.
    """
    table = read_csv(upload)
    schema = describe(table)
    if target is not None and target not in table.column_names:
        raise unknown("target", target, table.column_names)
    with store.draft() as draft:
        write_parquet(table, draft)
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
                rows=schema.rows,
                columns=[column.model_dump(mode="json") for column in schema.columns],
                bytes=size,
                warnings=list(schema.warnings),
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


def schema(row: Row[Any]) -> TableSchema:
    """What the dataset holds."""
    return TableSchema.model_validate(
        {"rows": row.rows, "columns": row.columns, "warnings": row.warnings}
    )
