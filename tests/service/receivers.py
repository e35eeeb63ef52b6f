"""A real HTTP server that takes webhooks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
"""Of test messages alone."""


class Receiver:
    """What came to it, checked as its owner would check it.

    Args:
        port: to listen on; 0 for any that is free.

    Attributes:
        answers: statuses of the next answers; 200 once there are no more.
        messages: what came, with its id in ``"id"``, refused or not.
        paths: that were asked for.
    """

    def __init__(self, port: int = 0) -> None:
        self.answers: list[int] = []
        self.messages: list[dict[str, Any]] = []
        self.paths: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                message = Webhook(SECRET).verify(body, dict(self.headers.items()))
                receiver.paths.append(self.path)
                receiver.messages.append(message | {"id": self.headers["webhook-id"]})
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["Receiver"]:
        """Take messages; before that, they wait for their answer."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def types(self) -> list[str]:
        """What came, in a word each."""
        return [message["type"] for message in self.messages]
