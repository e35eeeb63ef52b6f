"""`fallline demo`: a real dataset, from upload to answer, through the same doors as any user."""

import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from service import display
from service.client import Client, FalllineError
from service.samples import SAMPLES, as_csv
from service.serving import served
from service.settings import Settings

EPOCHS = 20


def run(settings: Settings, console: Console, *, once: bool, trials: int) -> None:
    """Serve, tune on digits, print the answer; then go on serving unless ``once``."""
    port = settings.port if _is_free(settings.host, settings.port) else _free_port(settings.host)
    settings = settings.model_copy(
        update={
            "home": settings.home / "demo",
            "database": None,
            "port": port,
            "log_level": "error",
        }
    )
    with ExitStack() as stack:
        with console.status("Starting the server and its workers"):
            token = stack.enter_context(served(settings))
        console.print(f"Fallline at [bold]{settings.local_url}[/]", highlight=False)
        with Client(settings.local_url, token) as client:
            _tune(client, console, trials)
        login = f"{settings.local_url}/login?token={token}"
        console.print(f"\nDashboard (log in): {login}", highlight=False, soft_wrap=True)
        console.print(f"API: {settings.local_url}/v1/docs", highlight=False)
        if not once:
            console.print("[dim]Serving until Ctrl-C[/]")
            try:
                while True:
                    time.sleep(3600)
            except KeyboardInterrupt:
                console.print("Stopping")


def _tune(client: Client, console: Console, trials: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.csv"
        path.write_bytes(as_csv("digits"))
        dataset = client.upload(path, target=SAMPLES["digits"].target)
    job = client.submit(
        dataset["id"],
        metric="accuracy",
        space={"batch": ["full", "single", 32, 64]},
        budget={"trials": trials, "epochs": EPOCHS},
        transfer=False,  # the demo's home stays: each run would start from the one before
    )
    display.show_plan(console, dataset, job)
    job = display.follow(console, client.watch(job["id"]))
    if job["state"] != "completed":
        raise FalllineError(f"The demo's job is {job['state']}: {job['error']}")
    display.show_answer(console, job, client.best(job["id"]))


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
