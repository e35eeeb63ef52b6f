"""Rows that belong to somebody: found by id, listed newest first, never shown to others."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from service.errors import NotFound


def get(connection: Connection, table: Table, owner: str, kind: str, row_id: str) -> Row[Any]:
    """The row of an owner; ``kind`` is what users call it, such as ``job``.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    query = select(table).where(table.c.id == row_id, table.c.owner == owner)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no {kind} {row_id!r}.", field=kind, value=row_id)
    return row


def page(
    connection: Connection,
    table: Table,
    owner: str,
    *conditions: ColumnElement[bool],
    after: str | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """An owner's rows under conditions, newest first, and the cursor of the next page."""
    query = select(table).where(table.c.owner == owner, *conditions).order_by(table.c.id.desc())
    if after is not None:
        query = query.where(table.c.id < after)
    rows = connection.execute(query.limit(limit + 1)).all()
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None
