"""A client that knows its server may vanish: it sends each request until there is an answer to it."""

import time
from types import TracebackType
from typing import Any, Self

import httpx

from tests.end_to_end.conftest import Machine
from tests.service.journeys import Json, until

PAUSE_SECONDS = 0.05


class Patient:
    """Requests with the administrator's token; those that make something carry a key.

    Attributes:
        unanswered: how many requests got no answer.
    """

    def __init__(self, machine: Machine) -> None:
        token = (machine.home / "token").read_text()
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=machine.url, headers=headers, timeout=30)
        self.unanswered = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer, whatever its status; other than 503, which says to come again."""
        while True:
            try:
                answer = self._http.request(method, path, **request)
            except httpx.TransportError:
                self.unanswered += 1
            else:
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
            time.sleep(PAUSE_SECONDS)

    def once(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer to a request that is sent but once."""
        return self._http.request(method, path, **request)

    def get(self, path: str, **params: Any) -> Json:
        """What is there."""
        answer = self.send("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def post(self, path: str, key: str, **request: Any) -> Json:
        """What came of a request, sent with the same key until it is answered."""
        headers = {"Idempotency-Key": key} | request.pop("headers", {})
        answer = self.send("POST", path, headers=headers, **request)
        assert answer.is_success, answer.text
        found: Json = answer.json()
        return found

    def ended(self, job: str, seconds: float = 300.0) -> Json:
        """The job, once it has ended."""

        def look() -> Json | None:
            view = self.get(f"/v1/jobs/{job}")
            return None if view["state"] in {"queued", "running"} else view

        return until(look, seconds)
