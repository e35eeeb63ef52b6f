"""HTTP/1.1 as uvicorn speaks it, with its own refusals as problems like all others."""

import logging
import uuid
from asyncio import AbstractEventLoop
from typing import Any

import h11
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol
from uvicorn.server import ServerState

from service.errors import BadRequest, Unavailable
from service.gate import harden, refuse
from service.problems import respond

logger = logging.getLogger(__name__)

# Connections beyond these are answered 503, so that slow ones cannot use up all memory.
CONNECTIONS = 512


class Protocol(H11Protocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._inner = self.app
        self.app = self._admit

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Uvicorn's own limit, which answers as plain text."""
        if len(self.connections) > CONNECTIONS:
            error = Unavailable("Too many connections are open; try again.")
            await refuse(scope, receive, send, error)
        else:
            await self._inner(scope, receive, send)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP, and close."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            answer = self._malformed()
            head = h11.Response(
                status_code=answer.status_code,
                headers=[*answer.raw_headers, (b"connection", b"close")],
                reason=STATUS_PHRASES[answer.status_code],
            )
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _malformed(self) -> Response:
        state = {}
        if self.cycle is not None and not self.cycle.response_complete:
            state = dict(self.scope["state"])
            self.cycle.disconnected = True  # what waits for the rest has nobody to answer to
            self.cycle.message_event.set()
        request_id = state.setdefault("request_id", uuid.uuid4().hex)
        problem = BadRequest(
            "What was sent is not HTTP/1.1: its headers or its body are malformed."
        )
        answer = respond({"method": "", "state": state}, problem)
        harden(answer.headers, "", request_id)
        logger.info("a malformed request was refused: %s", request_id)
        return answer
