"""The audit log: who changed what, or tried to, and when.

Whatever may change something is kept, with its outcome; what was sent is not. Requests without a
valid token stand in the server's log alone, or anybody could fill the database.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, delete, insert, select
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.database import Database
from service.login import SAFE_METHODS
from service.problems import translate
from service.tables import audit, now
from service.tokens import Principal

PATH_CHARACTERS = 200


class Audited:
    """Writes down every request that may change something, before its answer has ended.

    Args:
        app: what notes the principal of a request, and answers it.
        database: where the log is.
    """

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app, self._database = app, database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and write down what came of it."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        status = 0
        end: Message | None = None  # of the answer: sent once it is written down

        async def sending(message: Message) -> None:
            nonlocal status, end
            if message["type"] == "http.response.start":
                status = message["status"]
            if message["type"] == "http.response.body" and not message.get("more_body"):
                end = message
            else:
                await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            status = status or translate(error).status
            raise
        finally:
            try:
                principal = scope["state"].get("principal")
                if isinstance(principal, Principal):
                    await run_in_threadpool(self._write, scope, principal, status)
            finally:
                if end is not None:
                    await send(end)

    def _write(self, scope: Scope, principal: Principal, status: int) -> None:
        client = scope.get("client")
        with self._database.write() as connection:
            connection.execute(
                insert(audit).values(
                    id=str(uuid_utils.uuid7()),
                    owner=principal.owner,
                    token_id=principal.token_id,
                    method=scope["method"],
                    path=scope["path"][:PATH_CHARACTERS],
                    status=status,
                    request_id=scope["state"]["request_id"],
                    address=client[0] if client else None,
                )
            )


def forget(database: Database, kept: timedelta) -> None:
    """Delete entries older than that."""
    with database.write() as connection:
        connection.execute(delete(audit).where(audit.c.at < now() - kept))


def page(
    connection: Connection, owner: str | None, *, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """Entries of an owner or of all, newest first, and the cursor of the next page."""
    query = select(audit).order_by(audit.c.id.desc())
    if owner is not None:
        query = query.where(audit.c.owner == owner)
    if after is not None:
        query = query.where(audit.c.id < after)
    rows = connection.execute(query.limit(limit + 1)).all()
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None
