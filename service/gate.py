"""What every request passes first and every answer last, whichever part serves it."""

import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BadRequest, ServiceError
from service.problems import respond

logger = logging.getLogger("service.access")

Count = Callable[[str, str, int, float], None]
"""``count(method, route, status, seconds)``; the route is the template of a path."""

REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
# Answers of the API are data: a browser that is tricked into showing one runs nothing.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = "frame-ancestors 'none'"


class Gate:
    """Gives each request an id, checks its Host, hardens and logs its answer.

    An error that nothing inside has answered is answered here.

    Args:
        app: what is behind the gate.
        allowed_hosts: names under which the server may be called. A page of another name
            that resolves to this machine (DNS rebinding) is thereby locked out.
        count: is told of every answer.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str], count: Count) -> None:
        self._app = app
        self._count = count
        self._allowed_hosts = frozenset(allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in and its answer out."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            answer = _Answer(scope, send)
            await self._pass(scope, answer.watching(receive), answer)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _pass(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            self._check_host(scope)
            await self._app(scope, receive, answer)
        except Exception as error:
            if not answer.status:
                await respond(scope, error)(scope, receive, answer)
            elif not answer.complete:
                # Only breaking the connection tells the client that the answer is not whole.
                logger.warning(
                    "request %s broke off in its answer",
                    answer.request_id,
                    extra={"request_id": answer.request_id},
                )
                raise
        finally:
            answer.log()
            # Set by the router, whose scope this is; its path lacks what it was included under.
            route = getattr(scope.get("route"), "path", "other")
            route = f"/v1{route}" if scope["path"].startswith("/v1/") else route
            self._count(scope["method"], route, answer.status, answer.seconds)

    def _check_host(self, scope: Scope) -> None:
        hosts = Headers(scope=scope).getlist("host")
        name = re.sub(r":\d*$", "", hosts[0]).lower() if len(hosts) == 1 else ""
        if name not in self._allowed_hosts:
            raise BadRequest(
                "This server does not answer to that host name. "
                "The names it answers to are set by FALLLINE_ALLOWED_HOSTS.",
                field="Host",
                value=name,
            )


async def refuse(scope: Scope, receive: Receive, send: Send, error: ServiceError) -> None:
    """Answer a request that does not come as far as the gate."""
    answer = _Answer(scope, send)
    await respond(scope, error)(scope, receive, answer)
    answer.log()


def harden(headers: MutableHeaders, path: str, request_id: str) -> None:
    """Add what every answer carries.

    Args:
        headers: of the answer.
        path: that was asked for.
        request_id: of the request.
    """
    headers["X-Request-ID"] = request_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "no-referrer"
    is_page = headers.get("content-type", "").startswith("text/html")
    is_data = path.startswith("/v1/") and not is_page
    # Added to a policy that is there already: a browser enforces both.
    headers.append("Content-Security-Policy", DATA_POLICY if is_data else PAGE_POLICY)


class _Answer:
    """The sending side of one request."""

    def __init__(self, scope: Scope, send: Send) -> None:
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        self.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = self.request_id
        self.status = 0
        self.complete = False
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        self._unread = has_body
        self._scope = scope
        self._send = send
        self._began = time.monotonic()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            harden(headers, self._scope["path"], self.request_id)
            if self._unread:
                # What is still to come of a refused request would be received for nothing.
                headers["Connection"] = "close"
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
        await self._send(message)

    def watching(self, receive: Receive) -> Receive:
        """Receives the same, and knows whether the request has come whole."""

        async def watched() -> Message:
            message = await receive()
            self._unread = self._unread and message.get("more_body", False)
            return message

        return watched

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return time.monotonic() - self._began

    def log(self) -> None:
        # Without the query: it may hold a token. Quoted: a line break would forge a line.
        logger.info(
            "%s %s %d %.0f ms %s",
            self._scope["method"],
            quote(self._scope["path"]),
            self.status,
            self.seconds * 1000,
            self.request_id,
            extra={
                "request_id": self.request_id,
                "method": self._scope["method"],
                "path": quote(self._scope["path"]),
                "status": self.status,
                "seconds": round(self.seconds, 6),
            },
        )
