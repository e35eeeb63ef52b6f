import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from service.app import create_app, server
from service.database import Database
from service.services import Services, open_services
from service.settings import Settings


@dataclass(frozen=True)
class Live:
    """A server that answers over real HTTP."""

    services: Services
    client: httpx.Client  # sends the administrator's token
    anonymous: httpx.Client  # sends none


def listen() -> socket.socket:
    """A free port. It listens at once, so clients wait for the server instead of failing."""
    # Named TCP: asyncio then sends small answers at once, instead of 40 ms later.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


@contextmanager
def serving(
    app: ASGIApp, settings: Settings, listener: socket.socket, closing: threading.Event
) -> Iterator[str]:
    """Run uvicorn in a thread; yields the address of the server."""
    running = server(app, settings, closing)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{settings.port}"
    finally:
        running.should_exit = True
        thread.join()


@contextmanager
def live_server(home: Path, **changed: Any) -> Iterator[Live]:
    """The whole service, on real files and a real port; with some settings changed."""
    listener = listen()
    settings = Settings(home=home, port=listener.getsockname()[1], workers=1, **changed)
    with (
        open_services(settings) as services,
        serving(create_app(services), settings, listener, services.closing) as address,
        httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {services.token.get_secret_value()}"},
            timeout=30,
        ) as client,
        httpx.Client(base_url=address, timeout=30) as anonymous,
    ):
        yield Live(services, client, anonymous)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with live_server(tmp_path / "home") as running:
        yield running


@pytest.fixture(scope="session")
def shared_live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """For tests that do not mind what other tests leave in it: starting one takes seconds."""
    with live_server(tmp_path_factory.mktemp("shared") / "home") as running:
        yield running


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(f"sqlite:///{tmp_path / 'home' / 'fallline.db'}") as opened:
        yield opened
