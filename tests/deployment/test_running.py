"""The container's command and health check, run with the container's variables."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from service.settings import Settings
from tests.deployment.definitions import (
    SERVER,
    image_health_check,
    instructions,
    server_environment,
)

# The server is shared by the tests of this file, which must then run in one process.
pytestmark = pytest.mark.xdist_group("deployment")

PROGRAMS = Path(sys.executable).parent
GRACE_SECONDS = int(SERVER["stop_grace_period"].removesuffix("s"))


@dataclass(frozen=True)
class Container:
    """A running server, with folders in place of the container's.

    Attributes:
        process: the server.
        environment: its variables.
        volume: stands for the volume.
        scratch: stands for /tmp.
        read_only: stands for the rest of the file system.
    """

    process: "subprocess.Popen[str]"
    environment: dict[str, str]
    volume: Path
    scratch: Path
    read_only: Path


def container_variables(**changed: str) -> dict[str, str]:
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path} | server_environment() | changed


def check_health(environment: dict[str, str]) -> int:
    program, *arguments = image_health_check()
    assert program == "python"
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, check=False, capture_output=True, timeout=30
    )
    return done.returncode


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def end(process: "subprocess.Popen[str]") -> int:
    """Stop the server; its exit status, once everything that it started has ended too."""
    process.terminate()
    try:
        # Its workers write where it writes: there is no end to read before the last has gone.
        process.communicate(timeout=GRACE_SECONDS)
    finally:
        process.kill()
    return process.returncode


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    volume, scratch, read_only = (
        tmp_path_factory.mktemp(name) for name in ("volume", "scratch", "rest")
    )
    environment = container_variables(
        HOME=str(read_only),
        TMPDIR=str(scratch),
        DASK_TEMPORARY_DIRECTORY=str(scratch),
        FALLLINE_HOME=str(volume),
        FALLLINE_PORT=str(free_port()),
    )
    program, *arguments = instructions("CMD")[0].exec_form()
    process = subprocess.Popen(
        [PROGRAMS / program, *arguments],
        env=environment,
        cwd=read_only,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if "Uvicorn running" in line:
                break
        assert process.poll() is None, "".join(said)
        yield Container(process, environment, volume, scratch, read_only)
    finally:
        end(process)


def test_a_running_server_is_healthy(container: Container) -> None:
    assert check_health(container.environment) == 0


def test_a_server_that_calls_itself_otherwise_is_not(container: Container) -> None:
    """The check would notice if 127.0.0.1 were taken from the allowed names."""
    names = container.environment["FALLLINE_ALLOWED_HOSTS"].split(",")
    assert "127.0.0.1" in names
    port = int(container.environment["FALLLINE_PORT"])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 400 ")


def test_only_the_volume_and_scratch_are_written(container: Container) -> None:
    assert list(container.read_only.iterdir()) == []
    chosen = Settings(home=container.volume)
    assert chosen.token_file.is_file()
    assert chosen.blob_folder.is_dir()
    assert any(container.scratch.iterdir())


def test_it_stops_within_its_time_and_leaves_no_worker(container: Container) -> None:
    # The last test to use the server.
    assert end(container.process) == 0
    assert check_health(container.environment) != 0


def test_no_server_is_not_healthy() -> None:
    assert check_health(container_variables(FALLLINE_PORT=str(free_port()))) != 0


def test_a_server_in_trouble_is_not_healthy() -> None:
    class Trouble(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with HTTPServer(("127.0.0.1", 0), Trouble) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        status = check_health(container_variables(FALLLINE_PORT=str(server.server_port)))
        answering.join()
    assert status != 0
