"""Start a server in this process: open everything, say where it is, answer until told to stop."""

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from rich.console import Console

from service.app import create_app, server
from service.engine import Hire
from service.services import open_services
from service.settings import Settings

GARBAGE = (100_000, 50, 100)
"""How many more objects there are, and how many rounds, before Python looks for cycles among them."""
SWITCH_SECONDS = 0.0005
"""How long a thread that computes may keep those that answer waiting for the interpreter: Python's
5 ms are paid several times an answer, once for each call of the database."""


def serve(settings: Settings, console: Console, hire: Hire) -> None:
    """Answer until interrupted.

    Args:
        settings: of the server.
        console: for what the user should know.
        hire: starts the workers.

    Raises:
        StartupError: something cannot be opened; the text is one line for the terminal.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    first_start = not settings.token_file.exists() and settings.token is None
    with open_services(settings, hire) as services:
        console.print(f"Fallline at [bold]{settings.local_url}[/]", highlight=False)
        if first_start:
            token = services.token.get_secret_value()
            console.print(f"Token (shown once): {token}", highlight=False, soft_wrap=True)
            console.print(
                f"Log in: {settings.local_url}/login?token={token}", highlight=False, soft_wrap=True
            )
        else:
            console.print(f"The token is in {settings.token_file}", highlight=False, soft_wrap=True)
        app = create_app(services)
        # What was imported stays: to look through it for garbage, now and then, took half a second.
        gc.collect()
        gc.freeze()
        # Answers of thousands of trials are millions of objects, and a third of their time went into
        # looking for garbage among them.
        gc.set_threshold(*GARBAGE)
        with suppress(KeyboardInterrupt):  # uvicorn has stopped by then, and hands it on
            server(app, settings, services.closing).run()
        with suppress(KeyboardInterrupt):  # who asks again does not wait
            if services.runner.is_busy:
                console.print("Waiting for the waves under way; stop again to end at once.")
            services.runner.drain(settings.drain_seconds)


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """A server in a thread of its own; yields its token when it answers."""
    with open_services(settings) as services:
        running = server(create_app(services), settings, services.closing)
        thread = threading.Thread(target=running.run, name="server")
        thread.start()
        try:
            _await_start(running, thread)
            yield services.token.get_secret_value()
        finally:
            running.should_exit = True
            thread.join()


def _await_start(running: uvicorn.Server, thread: threading.Thread) -> None:
    while not running.started:
        thread.join(0.01)
        if not thread.is_alive():
            raise RuntimeError("the server ended before it had started; see its log")
