"""Datasets: an upload becomes a canonical table in the store and a row in the database."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, func, insert, select
from sqlalchemy import delete as sql_delete

from service import owned
from service.database import Database
from service.errors import Conflict
from service.failpoints import reach
from service.idempotency import Asked
from service.ingest import NOTHING_SAID, Said, head
from service.ingest.apart import read_apart
from service.quotas import NO_QUOTAS, Quotas
from service.store import Store, digest_of
from service.tables import datasets, jobs
from studies.data.dialect import Dialect
from studies.data.schema import TableSchema
from studies.errors import unknown

FIRST_ROWS = 5


def add(
    database: Database,
    store: Store,
    upload: Path,
    asked: Asked,
    *,
    name: str,
    target: str | None,
    quotas: Quotas = NO_QUOTAS,
    media_type: str = "",
    said: Said = NOTHING_SAID,
) -> str:
    """Check an uploaded file, keep it in canonical form, and return the dataset's id.

    Args:
        database: gets the row.
        store: gets the bytes.
        upload: the file as it was received.
        asked: the request; the same one, sent again, makes no further dataset.
        name: a label.
        target: the column to predict, if it was told.
        quotas: how much the owner may hold.
        media_type: what the file is said to be.
        said: how a text file is written, as far as that was told.

    Raises:
        Conflict: another request had its key.
        TooManyRequests: the owner holds too much already.
        DataError: the file is no table that can be learned from.
        SpecError: there is no column of the target's name.
        Unavailable: the bytes belong in a storage that cannot be reached.
    """
    with store.draft() as draft:
        content = digest_of(upload) if asked.key else None
        read = read_apart(upload, media_type, draft, said)
        names = [column.name for column in read.schema.columns]
        if target is not None and target not in names:
            raise unknown("target", target, names)
        size = draft.stat().st_size
        digest = digest_of(draft)

        def keep() -> str:
            quotas.check_bytes(connection, asked.owner, size)
            dataset_id = str(uuid_utils.uuid7())
            connection.execute(
                insert(datasets).values(
                    id=dataset_id,
                    owner=asked.owner,
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

        with store.changing(digest):
            store.put(digest, draft)
            reach("bytes_kept")
            try:
                with database.write() as connection:
                    dataset_id = asked.once(connection, content, keep)
            finally:
                with database.read() as connection:
                    named = _names(connection, digest)
                if not named:  # it was refused, or done before
                    store.remove(digest)
    reach("dataset_described")
    return dataset_id


def delete(database: Database, store: Store, owner: str, dataset_id: str) -> None:
    """Delete a dataset, and its bytes unless another dataset has the same.

    Raises:
        NotFound: there is no such dataset.
        Conflict: jobs use it.
        Unavailable: its bytes are in a storage that cannot be reached.
    """
    with database.read() as connection:
        digest: str = get(connection, owner, dataset_id).digest
    with store.changing(digest):
        store.reach(digest)
        with database.write() as connection:
            _delete_row(connection, owner, dataset_id)
            last = not _names(connection, digest)
        reach("dataset_forgotten")
        if last:  # only now that the row is gone for good
            store.remove(digest)


def get(connection: Connection, owner: str, dataset_id: str) -> Row[Any]:
    """The row of an owner's dataset.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    return owned.get(connection, datasets, owner, "dataset", dataset_id)


def names(connection: Connection, dataset_ids: Collection[str]) -> dict[str, str]:
    """What datasets are called, by their ids."""
    query = select(datasets.c.id, datasets.c.name).where(datasets.c.id.in_(dataset_ids))
    return {row.id: row.name for row in connection.execute(query)}


def of_job(connection: Connection, job: Row[Any]) -> Row[Any]:
    """The row of a job's dataset.

    Raises:
        Conflict: it has none.
    """
    if job.dataset_id is None:
        raise Conflict(
            "The trials of this job are trained elsewhere: there is no dataset and no network of it "
            "here.",
            field="job",
            value=job.id,
            allowed="a job on a dataset",
        )
    return get(connection, job.owner, job.dataset_id)


def page(
    connection: Connection, owner: str, *, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """An owner's datasets, newest first, and the cursor of the next page."""
    return owned.page(connection, datasets, owner, after=after, limit=limit)


def called(connection: Connection, owner: str, names: Collection[str]) -> Sequence[Row[Any]]:
    """An owner's datasets of these names, newest first."""
    query = select(datasets).where(datasets.c.owner == owner, datasets.c.name.in_(names))
    return connection.execute(query.order_by(datasets.c.id.desc())).all()


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


def _names(connection: Connection, digest: str) -> bool:
    """Whether any dataset has these bytes."""
    having = select(datasets.c.id).where(datasets.c.digest == digest).limit(1)
    return connection.execute(having).first() is not None


def _delete_row(connection: Connection, owner: str, dataset_id: str) -> None:
    """Delete a dataset that no job uses."""
    get(connection, owner, dataset_id)
    used = select(func.count()).where(jobs.c.dataset_id == dataset_id)
    if count := connection.execute(used).scalar_one():
        raise Conflict(
            f"{count} job(s) use the dataset. Delete them first.",
            field="dataset",
            value=dataset_id,
            allowed="a dataset without jobs",
        )
    connection.execute(sql_delete(datasets).where(datasets.c.id == dataset_id))
