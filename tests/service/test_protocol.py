"""What is no HTTP, or too much of it, is answered like everything else: with a problem."""

import json
import re
import socket
from collections.abc import Iterator

import pytest

from service import protocol
from service.body_limit import LARGEST
from tests.service.conftest import Live
from tests.service.test_problems import problem

pytestmark = pytest.mark.xdist_group("shared_live")

Answer = tuple[bytes, dict[str, str], bytes]

LOGGED_IN = b"Host: localhost\r\nAuthorization: Bearer TOKEN\r\n"
POST = b"POST /v1/jobs HTTP/1.1\r\n" + LOGGED_IN + b"Content-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
UPLOAD = b"POST /v1/datasets?name=x HTTP/1.1\r\n" + LOGGED_IN + b"Content-Type: text/csv\r\n"
MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "a header with a zero": b"GET / HTTP/1.1\r\nHost: local\x00host\r\n\r\n",
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "Content-Length of words": POST + b"Content-Length: many\r\n\r\n",
    "a negative Content-Length": POST + b"Content-Length: -1\r\n\r\n",
    "two Content-Lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "headers without end": b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
    "a chunk of no length": CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"2\r\n{}{}\r\n0\r\n\r\n",
    "an upload in bad chunks": UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nsize,\r\nXX\r\n",
}


def exchange(live: Live, content: bytes) -> Answer:
    """Send bytes as they are; status line, headers and body of the answer."""
    token = live.services.token.get_secret_value().encode()
    address = ("127.0.0.1", live.services.settings.port)
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(content.replace(b"TOKEN", token))
        answer = b"".join(received(connection))
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    return line, dict(each.decode().lower().split(": ", 1) for each in lines), body


def received(connection: socket.socket) -> Iterator[bytes]:
    while chunk := connection.recv(65_536):
        yield chunk


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_http_is_a_bad_request(shared_live: Live, name: str) -> None:
    line, headers, content = exchange(shared_live, MALFORMED[name])
    assert line == b"HTTP/1.1 400 Bad Request"
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["connection"] == "close"
    body = json.loads(content)
    assert body.keys() == {"type", "title", "status", "detail", "request_id"}
    assert (body["status"], body["type"]) == (400, "/problems/bad-request")
    assert re.fullmatch(r"[0-9a-f]{32}", body["request_id"])
    assert body["request_id"] == headers["x-request-id"]
    assert shared_live.anonymous.get("/healthz").status_code == 200


def test_an_answer_before_the_whole_request_ends_the_connection(shared_live: Live) -> None:
    stranger = CHUNKED.replace(b"TOKEN", b"nobody")
    line, headers, _ = exchange(shared_live, stranger + b"2\r\n{}\r\n")
    assert line.startswith(b"HTTP/1.1 401 ")
    assert headers["connection"] == "close"
    assert shared_live.anonymous.get("/healthz").status_code == 200


def test_too_many_connections_are_told_so(
    shared_live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_live.client.get("/v1/jobs")
    monkeypatch.setattr(protocol, "CONNECTIONS", 0)
    answer = shared_live.client.get("/v1/jobs", headers={"X-Request-ID": "mine"})
    monkeypatch.undo()
    body = problem(answer)
    assert (body["status"], body["request_id"]) == (503, "mine")
    assert answer.headers["retry-after"] == "1"
    assert shared_live.client.get("/v1/jobs").status_code == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read(shared_live: Live) -> None:
    declared = f"Content-Length: {LARGEST + 1}\r\nConnection: close\r\n\r\n".encode()
    line, headers, content = exchange(shared_live, POST + declared)
    assert line.startswith(b"HTTP/1.1 413 ")
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(content)["field"] == "Content-Length"


def test_a_body_of_no_declared_size_is_counted(shared_live: Live) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"dataset": "'
        for _ in range(20):
            yield b"x" * (LARGEST // 16)

    answer = shared_live.client.post(
        "/v1/jobs", content=chunks(), headers={"Content-Type": "application/json"}
    )
    body = problem(answer)
    assert body["status"] == 413
    assert f"{LARGEST:,} bytes" in body["detail"]


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [("GET", "/nothing", 404), ("GET", "/v1/nothing", 404), ("GET", "/v1/jobs/", 404),
     ("PUT", "/v1/jobs", 405), ("TRACE", "/v1/jobs", 405), ("HEAD", "/v1/jobs", 405),
     ("POST", "/dashboard", 405), ("FOO", "/healthz", 405)],
)  # fmt: skip
def test_an_address_or_method_that_is_not_there_is_a_problem(
    shared_live: Live, method: str, address: str, status: int
) -> None:
    answer = shared_live.client.request(method, address)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("allow" in answer.headers) == (status == 405)
    if method != "HEAD":
        problem(answer)


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 400), (b"\xff\xfe{}", 400), (b'{"dataset": "\xff"}', 400), (b"", 422), (b"[]", 422)],
)
def test_a_body_that_is_no_json_is_a_problem(
    shared_live: Live, content: bytes, status: int
) -> None:
    answer = shared_live.client.post(
        "/v1/jobs", content=content, headers={"Content-Type": "application/json"}
    )
    assert problem(answer)["status"] == status


@pytest.mark.parametrize("address", ["/v1/jobs/%FF", "/v1/jobs/%00", "/v1/jobs?limit=%FF", "/%FF"])
def test_an_address_that_is_no_text_is_a_problem(shared_live: Live, address: str) -> None:
    assert problem(shared_live.client.get(address))["status"] in {404, 422}
