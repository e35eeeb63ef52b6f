import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from service.client import Client
from tests.service.conftest import listen
from tests.service.journeys import until


class Machine:
    """A user's machine: the `fallline` command in processes of its own, and one home.

    Args:
        home: the server's folder.
        workers: processes that train.
    """

    def __init__(self, home: Path, workers: int = 1) -> None:
        listener = listen()
        self.home = home
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if "FALLLINE" not in name},
            "FALLLINE_HOME": str(home),
            "FALLLINE_PORT": str(listener.getsockname()[1]),
            "FALLLINE_WORKERS": str(workers),
            "COLUMNS": "120",
        }
        listener.close()
        self.server: subprocess.Popen[bytes] | None = None
        # Not a pipe, which a server that says much would fill and then wait for.
        self.log = home.with_name("server.log")

    @property
    def database(self) -> str:
        """The address of the server's database."""
        return self.environment.get("FALLLINE_DATABASE", f"sqlite:///{self.home / 'fallline.db'}")

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """One command, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "service", *arguments],
            env=self.environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with self.log.open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "service", "serve"],
                env=self.environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.server = server

        def answers() -> bool:
            assert server.poll() is None, self.log.read_text()
            with Client(self.url, "any") as client:
                return client.healthy()

        until(answers)

    def kill(self) -> None:
        """Let the server vanish, as a power cut would; its workers follow it."""
        assert self.server is not None
        left = psutil.Process(self.server.pid).children(recursive=True)
        self.server.kill()
        self.server.wait()
        self.server = None
        _, alive = psutil.wait_procs(left, timeout=60)
        assert alive == []

    def stop(self, signal_number: int = signal.SIGTERM) -> tuple[int, str]:
        """Ask the server to end; its exit code and all that it printed."""
        assert self.server is not None
        left = psutil.Process(self.server.pid).children(recursive=True)
        self.server.send_signal(signal_number)
        code = self.server.wait(timeout=60)
        self.server = None
        _, alive = psutil.wait_procs(left, timeout=60)
        assert alive == []
        return code, self.log.read_text()

    def ready(self) -> bool:
        """Whether it can do its work."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).is_success
        except httpx.TransportError:
            return False

    def processes(self) -> tuple[psutil.Process, list[psutil.Process]]:
        """The process that answers, and those that train."""
        assert self.server is not None
        ports = {int(self.url.rpartition(":")[2])}
        workers, answering = [], None
        for process in psutil.Process(self.server.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                found = {
                    each.laddr.port
                    for each in process.net_connections(kind="inet")
                    if each.status == psutil.CONN_LISTEN
                }
                if found & ports:
                    answering = process
                elif found:
                    workers.append(process)
        assert answering is not None
        return answering, workers

    def client(self) -> Client:
        """A client of the server."""
        return Client(self.url, (self.home / "token").read_text())


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder like `tmp_path` with a short name: a socket's path has 107 characters at most."""
    with tempfile.TemporaryDirectory(prefix="f") as folder:
        yield Path(folder)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine of which the test starts and stops the server."""
    made = Machine(tmp_path / "home")
    yield made
    if made.server is not None:
        made.kill()


@pytest.fixture(scope="session")
def running_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which a server runs."""
    made = Machine(tmp_path_factory.mktemp("machine") / "home")
    made.start()
    yield made
    made.stop()
