"""The services of docker-compose.yml as processes of this machine, and a job through all of them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from moto.server import ThreadedMotoServer

from tests.datasets import breast_cancer
from tests.deployment.test_cluster import SERVICES
from tests.service import databases
from tests.service.conftest import listen
from tests.service.journeys import until

pytestmark = pytest.mark.timeout(300)


def free_port() -> int:
    with listen() as listener:
        port: int = listener.getsockname()[1]
    return port


class Composed:
    """The services, with this machine's folders and ports in place of the containers'.

    Args:
        folder: for theirs.
        ports: by what the file calls them.
        services: what each is, as docker-compose.yml says it.
    """

    def __init__(
        self, folder: Path, ports: dict[str, int], services: dict[str, dict[str, Any]] = SERVICES
    ) -> None:
        self._folder = folder
        self._services = services
        self.ports = ports
        self.secrets = folder / "secrets"

    def secrets_of(self, name: str) -> Path:
        """The folder of secrets that a service sees: the one of all."""
        return self.secrets

    def here(self, name: str, text: str) -> str:
        """A text of a service, as it reads on this machine."""
        own = self._folder / name
        places = {
            "/run/secrets": str(self.secrets_of(name)),
            "/var/lib/fallline": str(own / "home"),
            "/tmp": str(own / "tmp"),
            "scheduler:8786": f"127.0.0.1:{self.ports['8786']}",
            "store:8333": f"127.0.0.1:{self.ports['8333']}",
            "8786": str(self.ports["8786"]),
            "8642": str(self.ports["8642"]),
            "0.0.0.0": "127.0.0.1",
        }
        theirs = "|".join(re.escape(place) for place in places)
        return re.sub(theirs, lambda found: places[found[0]], text)

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a service."""
        given = self._services[name].get("environment", {})
        (self._folder / name / "tmp").mkdir(parents=True, exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder / name),
            "TMPDIR": str(self._folder / name / "tmp"),
            "OMP_NUM_THREADS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            **{variable: self.here(name, value) for variable, value in given.items()},
        }

    def command(self, name: str) -> list[str]:
        """The words of a service's command."""
        program, *rest = self._services[name].get("command", ["fallline", "serve"])
        module = {"fallline": ["-m", "service"], "python": []}[program]
        return [sys.executable, *module, *(self.here(name, word) for word in rest)]

    def once(self, name: str) -> None:
        """Run a service that ends by itself."""
        done = subprocess.run(
            self.command(name), env=self.environment(name), capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def is_healthy(self, name: str) -> bool:
        """What a service's own health check says."""
        kind, program, *words = self._services[name]["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "python")
        done = subprocess.run(
            [sys.executable, *(self.here(name, word) for word in words)],
            env=self.environment(name), capture_output=True, timeout=30, check=False,
        )  # fmt: skip
        return done.returncode == 0

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """A service that stays, from when it is healthy to the end of the block."""
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.command(name), env=self.environment(name), stdout=output, stderr=output
            )
        try:
            until(lambda: process.poll() is not None or self.is_healthy(name))
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0, log.read_text()


@contextmanager
def object_store(port: int) -> Iterator[None]:
    """In place of the store's own image."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        yield
    finally:
        server.stop()


def test_a_job_goes_through_all_of_them(short_path: Path) -> None:
    composed = Composed(short_path, {name: free_port() for name in ("8786", "8642", "8333")})
    composed.once("secrets")
    with ExitStack() as services:
        postgresql = services.enter_context(databases.running())
        (composed.secrets / "fallline_database").write_text(postgresql.new())
        services.enter_context(object_store(composed.ports["8333"]))
        composed.once("bucket")
        composed.once("bucket")  # as at the next start
        for name in ("scheduler", "worker", "server"):
            services.enter_context(composed.running(name))
        token = (composed.secrets / "fallline_token").read_text()
        client = services.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{composed.ports['8642']}",
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
            )
        )
        until(lambda: client.get("/readyz").is_success)
        uploaded = client.post(
            "/v1/datasets", params={"name": "table"}, headers={"Content-Type": "text/csv"},
            content=breast_cancer(short_path / "table.csv").read_bytes(),
        )  # fmt: skip
        assert uploaded.status_code == 201, uploaded.text
        spec = {"dataset": uploaded.json()["id"], "budget": {"trials": 16, "epochs": 5}}
        job = client.post("/v1/jobs", json=spec).json()["id"]

        def ended() -> dict[str, Any] | None:
            view: dict[str, Any] = client.get(f"/v1/jobs/{job}").json()
            return view if view["state"] not in {"queued", "running"} else None

        view = until(ended)
        assert (view["state"], view["counts"]["total"]) == ("completed", 16), view
        assert "config" in client.get(f"/v1/jobs/{job}/best").json()
        # What was uploaded went to the store, and from there to the worker's own disk.
        stored = client.get("/v1/datasets").json()["items"]
        assert len(stored) == 1
        assert any((short_path / "worker" / "home").rglob("*"))
