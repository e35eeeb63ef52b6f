"""The guides in docs/ followed on this machine: pods as processes, SLURM's commands as processes."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deployment.definitions import image_environment
from tests.deployment.guides import (
    DOCS,
    OURS,
    PODS,
    blocks,
    container,
    environment,
    mounted_secrets,
    secrets,
    shell_lines,
)
from tests.end_to_end import slurm
from tests.end_to_end.test_compose import Composed, free_port, object_store
from tests.service import databases
from tests.service.journeys import ended, submit, table, until, upload

pytestmark = pytest.mark.timeout(300)

PROGRAMS = Path(sys.executable).parent


def bare_environment() -> dict[str, str]:
    """What the processes need of this machine."""
    kept = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    return kept | {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


def train(client: httpx.Client) -> None:
    """A job through all of it."""
    found = ended(client, submit(client, upload(client, table()))["id"])
    assert (found["state"], found["counts"]["total"]) == ("completed", 8), found


class Pods(Composed):
    """The pods of docs/kubernetes, each with the secrets that it mounts and no others.

    Args:
        folder: for theirs.
        ports: by what the manifests call them.
    """

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        services = {
            name: {
                "command": container(PODS[name])["command"],
                "environment": image_environment() | environment(PODS[name]),
            }
            for name in OURS
        }
        super().__init__(folder, ports, services)

    def here(self, name: str, text: str) -> str:
        """A text of a pod, as it reads on this machine."""
        store = f"http://127.0.0.1:{self.ports['8333']}"
        return super().here(name, text).replace("https://s3.example.org", store)

    def secrets_of(self, name: str) -> Path:
        """The folder at which the pod mounts them."""
        return self._folder / name / "run"

    def mount_secrets(self) -> None:
        """Give each pod those that its volume names, of those that the guide's commands make."""
        known = secrets(self._folder)
        for name in OURS:
            (files,) = mounted_secrets(PODS[name], known).values()
            for path, file in files.items():
                target = self.secrets_of(name) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)

    def is_healthy(self, name: str) -> bool:
        """Whether all of a pod's probes succeed."""
        found = container(PODS[name])
        probes = [probe for kind, probe in found.items() if kind.endswith("Probe")]
        return all(self._succeeds(name, probe) for probe in probes)

    def _succeeds(self, name: str, probe: dict[str, Any]) -> bool:
        if "httpGet" in probe:
            request = probe["httpGet"]
            headers = {each["name"]: each["value"] for each in request["httpHeaders"]}
            try:
                return httpx.get(
                    f"http://127.0.0.1:{self.ports['8642']}{request['path']}", headers=headers
                ).is_success
            except httpx.TransportError:
                return False
        if "exec" in probe:
            program, *words = probe["exec"]["command"]
            assert program == "python"
            done = subprocess.run(
                [sys.executable, *(self.here(name, word) for word in words)],
                env=self.environment(name), capture_output=True, timeout=30, check=False,
            )  # fmt: skip
            return done.returncode == 0
        assert probe["tcpSocket"] == {"port": "scheduler"}
        try:
            socket.create_connection(("127.0.0.1", self.ports["8786"]), timeout=5).close()
        except OSError:
            return False
        return True


def test_a_job_goes_through_the_pods(short_path: Path) -> None:
    pods = Pods(short_path, {name: free_port() for name in ("8786", "8642", "8333")})
    (line,) = (
        words[words.index("fallline") + 1 :]
        for words in shell_lines("\n".join(blocks("kubernetes", "sh")))
        if words[:2] == ["docker", "run"]
    )
    subprocess.run(
        [sys.executable, "-m", "service", *line], cwd=short_path, check=True, timeout=60,
        env=bare_environment() | {"HOME": str(short_path)},
    )  # fmt: skip
    (keys,) = blocks("kubernetes", "ini")
    (short_path / "s3_credentials").write_text(keys)
    with ExitStack() as services:
        postgresql = services.enter_context(databases.running())
        (short_path / "secrets" / "fallline_database").write_text(postgresql.new())
        services.enter_context(object_store(pods.ports["8333"]))
        bucket = environment(PODS["server"])["FALLLINE_STORE"].removeprefix("s3://")
        made = httpx.put(f"http://127.0.0.1:{pods.ports['8333']}/{bucket}")
        assert made.is_success, made.text
        pods.mount_secrets()
        for name in OURS:
            services.enter_context(pods.running(name))
        token = (short_path / "secrets" / "fallline_token").read_text()
        train(
            services.enter_context(
                httpx.Client(
                    base_url=f"http://127.0.0.1:{pods.ports['8642']}",
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=60,
                )
            )
        )
        # From the store to the workers' own disk; and no worker could have read the database.
        assert list((short_path / "worker" / "home" / "cache").iterdir())
        assert {path.name for path in (short_path / "worker" / "run").iterdir()} == {
            "certificates", "s3_credentials",
        }  # fmt: skip


class Site:
    """A folder of docs/slurm as somebody would have filled it in, on this machine.

    Args:
        folder: for all of it.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.submitted = folder / "submitted"
        self.home = folder / "home"
        self._jobs = folder / "jobs"
        self._folder = folder
        shutil.copytree(
            DOCS / "slurm", self.submitted, ignore=shutil.ignore_patterns("__pycache__")
        )
        slurm.install(folder / "bin", self._jobs)
        cluster_port = free_port()
        changes = {
            "settings.sh": {
                "/shared/fallline": str(folder / "shared"),
                "node001.example.org:8786": f"127.0.0.1:{cluster_port}",
                "WORKERS=128": "WORKERS=2",
            },
            "scheduler.sbatch": {"0.0.0.0": "127.0.0.1"},
            "workers.sbatch": {
                "--array=1-8": "--array=1-2",
                "--cpus-per-task=16": "--cpus-per-task=1",
            },
            "jobqueue.py": {'"ib0"': '"lo"', '8, 16, "32GB"': '2, 1, "2GB"'},
        }
        for name, replaced in changes.items():
            path = self.submitted / name
            text = path.read_text()
            for theirs, ours in replaced.items():
                assert theirs in text, (name, theirs)
                text = text.replace(theirs, ours)
            path.write_text(text)
        (folder / "shared").mkdir(mode=0o700)
        self.environment = bare_environment() | {
            "PATH": f"{folder / 'bin'}{os.pathsep}{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "FALLLINE_PORT": str(self.port),
        }

    def cancel_all(self) -> None:
        """End every job that was submitted and has not been cancelled."""
        for path in self._jobs.glob("*.pids"):
            subprocess.run(
                ["scancel", path.stem], env=self.environment, check=True, timeout=60,
                executable=self._folder / "bin" / "scancel",
            )  # fmt: skip

    @contextmanager
    def typed(self, block: str) -> Iterator[None]:
        """A block of the guide in a shell; its last command goes on to the end of the block."""
        *before, last = block.strip().splitlines()
        last = re.sub(r"^(\w+=\S+ )?(.*)$", r"\1exec \2", last)
        log = self._folder / "shell.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["bash", "-euc", "\n".join([*before, last])], cwd=self.submitted,
                env=self.environment, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=60)
        assert code == 0, log.read_text()


def test_a_job_goes_through_the_jobs_of_slurm(short_path: Path) -> None:
    site = Site(short_path)
    (start,) = (each for each in blocks("slurm", "sh") if each.rstrip().endswith("fallline serve"))
    (queue,) = (each for each in blocks("slurm", "sh") if "jobqueue.py" in each)
    with ExitStack() as running:
        running.callback(site.cancel_all)
        running.enter_context(site.typed(start.replace("/local/fallline", str(site.home))))
        until((site.home / "token").is_file)
        client = running.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{site.port}",
                headers={"Authorization": f"Bearer {(site.home / 'token').read_text()}"},
                timeout=60,
            )
        )

        def workers() -> int:
            found = re.search(r"^fallline_workers (\d+)", client.get("/metrics").text, re.MULTILINE)
            return int(found[1]) if found else 0

        until(lambda: _answers(client))
        until(lambda: workers() == 2)
        train(client)
        assert len(list((short_path / "shared" / "blobs").iterdir())) == 1
        assert len(list(site.submitted.glob("fallline-worker-*_*.log"))) == 2
        # The other way: dask-jobqueue's scheduler in the place of that job's.
        site.cancel_all()
        until(lambda: workers() == 0)
        with site.typed("\n".join(line for line in queue.splitlines() if "pip " not in line)):
            until(lambda: workers() == 2)
            train(client)
        until(lambda: workers() == 0)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False
