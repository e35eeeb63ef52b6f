import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import make_url
from starlette.types import ASGIApp

from service.app import create_app, server
from service.database import Database
from service.services import Services, open_services
from service.settings import Settings
from tests.service.databases import Server, running


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marked = metafunc.definition.get_closest_marker("both_databases")
    if marked and "database" in metafunc.fixturenames:
        metafunc.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server for all tests of this process."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgresql: Server) -> str:
    """The name of a database with all tables: a copy takes a tenth of the time to make them."""
    url = postgresql.new()
    Database(url).close()
    return make_url(url).database or ""


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An open database: SQLite's, and with the marker `both_databases` PostgreSQL's too."""
    if getattr(request, "param", "sqlite") == "sqlite":
        url = f"sqlite:///{tmp_path / 'home' / 'fallline.db'}"
    else:
        server: Server = request.getfixturevalue("postgresql")
        url = server.new(request.getfixturevalue("template"))
    with Database(url) as opened:
        yield opened
