"""Clients that are slow, that never read, and that vanish in the middle of what they send."""

import socket
import struct
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.chaos.invariants import check_file
from tests.chaos.patience import Patient
from tests.chaos.repeated import Repeated
from tests.end_to_end.conftest import Machine
from tests.service.journeys import until

pytestmark = pytest.mark.timeout(300)

EACH = 25  # of every kind of client
RESET = struct.pack("ii", 1, 0)  # close by a reset, without a farewell


def connect(url: httpx.URL, request: str) -> socket.socket:
    """A connection over which this has been sent."""
    assert url.port is not None
    connection = socket.create_connection((url.host, url.port), timeout=30)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(request.encode())
    return connection


def test_they_disturb_nobody_and_leave_nothing(machine: Machine, tmp_path: Path) -> None:
    machine.start()
    until(machine.ready)
    url = httpx.URL(machine.url)
    common = (
        f"Host: 127.0.0.1:{url.port}\r\n"
        f"Authorization: Bearer {(machine.home / 'token').read_text()}\r\n"
    )
    with Patient(machine) as client, ExitStack() as stack:
        study = Repeated(machine, client, tmp_path / "table.csv", trials=120, epochs=20)
        files = sorted(path.name for path in (machine.home / "blobs").iterdir())
        job = study.begun("disturbed")
        requests = {
            "half a header": f"GET /v1/jobs HTTP/1.1\r\n{common}X-Slow: ",
            "half a body": f"POST /v1/datasets?name=slow HTTP/1.1\r\n{common}"
            "Content-Type: text/csv\r\nContent-Length: 1000000\r\n\r\na,b\n1,2\n",
            "events unread": f"GET /v1/jobs/{job}/events HTTP/1.1\r\n{common}\r\n",
        }
        slow = [
            stack.enter_context(connect(url, request))
            for request in requests.values()
            for _ in range(EACH)
        ]
        # Every upload has begun: there is a draft for each.
        drafts = len(files) + EACH
        until(lambda: len(list((machine.home / "blobs").iterdir())) == drafts)
        assert client.once("GET", "/readyz").status_code == 200
        study.came_to_the_same(job)
        for connection in slow:
            connection.close()
        until(lambda: sorted(path.name for path in (machine.home / "blobs").iterdir()) == files)
        assert len(client.get("/v1/datasets")["items"]) == 1
    assert machine.stop()[0] == 0
    check_file(machine.home / "fallline.db")
