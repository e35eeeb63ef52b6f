"""An answer about jobs is made once for all who ask the same while nothing is written.

Pages and scripts poll: fifty of them want the same few bytes, which change when a wave has ended.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.database import Database
from service.tokens import Principal

PREFIXES = ("/v1/jobs", "/jobs/")  # of the API, and of what pages draw
SHARED_ALREADY = ("/best", "/report")  # by `Reports`, which gives an older one to who would wait
KEPT_SECONDS = 1.0  # at most: a report may be made anew though nothing was written
LARGEST = 1 << 18  # bytes of an answer that is kept
MOST = 256  # answers that are kept


class _Asked(NamedTuple):
    owner: str
    path: str
    query: bytes


class _Answer(NamedTuple):
    route: object  # that made it, by which it is counted
    messages: list[Message]


@dataclass(frozen=True)
class _Kept:
    """An answer, or one that is being made; None if it is not for others."""

    version: int  # of the database, before it was begun
    until: float
    answer: asyncio.Future[_Answer | None]


class SharedAnswers:
    """Repeats answers of 200 in JSON under ``PREFIXES`` until something is written.

    Args:
        app: what makes them; behind the login.
        database: everything that they tell of.
    """

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app, self._database = app, database
        self._kept: dict[_Asked, _Kept] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        principal = scope.get("state", {}).get("principal")
        if (
            scope["type"] != "http"
            or scope["method"] != "GET"
            or not scope["path"].startswith(PREFIXES)
            or scope["path"].endswith(SHARED_ALREADY)
            or not isinstance(principal, Principal)
        ):
            await self._app(scope, receive, send)
            return
        asked = _Asked(principal.owner, scope["path"], scope["query_string"])
        kept = self._kept.get(asked)
        if kept is None or kept.version != self._database.version or time.monotonic() > kept.until:
            await self._make(asked, scope, receive, send)
        elif answer := await kept.answer:
            scope["route"] = answer.route
            for message in answer.messages:
                await send(dict(message))  # those who pass it on add to it
        else:
            await self._app(scope, receive, send)

    async def _make(self, asked: _Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and let those who ask the same meanwhile have it too."""
        if len(self._kept) >= MOST:
            self._kept.clear()
        answer: asyncio.Future[_Answer | None] = asyncio.get_running_loop().create_future()
        until = time.monotonic() + KEPT_SECONDS
        self._kept[asked] = _Kept(self._database.version, until, answer)
        messages: list[Message] = []

        async def sending(message: Message) -> None:
            messages.append(dict(message))
            if not answer.done() and (len(messages) > 1 or not _is_for_all(message)):
                whole = len(messages) == 2 and _is_whole(message)
                answer.set_result(_Answer(scope.get("route"), messages[:]) if whole else None)
            if answer.done():
                messages.clear()  # a stream has no end
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            if not answer.done():
                answer.set_result(None)


def _is_for_all(start: Message) -> bool:
    kind = Headers(raw=start["headers"]).get("content-type")
    return start["status"] == 200 and kind == "application/json"


def _is_whole(body: Message) -> bool:
    return not body.get("more_body", False) and len(body["body"]) <= LARGEST
