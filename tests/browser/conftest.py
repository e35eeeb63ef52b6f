"""A real browser that looks at a real server.

Whatever a test does, at its end nothing may stand in the browser's console, and no request may have
left the server's own origin.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.service.conftest import Live, shared_live

__all__ = ["shared_live"]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZE: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
SERIOUS = {"serious", "critical"}
WAIT = 20_000  # ms that the browser is given for whatever is awaited

expect.set_options(timeout=WAIT)


# Closed before tests of other packages begin: in its thread no other event loop can run meanwhile.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; `make test` installs it where it may."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no Chromium: install Debian's package `chromium` to test the pages")
    expect.set_options(timeout=WAIT)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def forgiven() -> set[str]:
    """What may stand in the console, in part: a test adds what it breaks on purpose."""
    return set()


@pytest.fixture
def context(browser: Browser, shared_live: Live, forgiven: set[str]) -> Iterator[BrowserContext]:
    """A browser in which nobody is logged in; see above for what it may not do."""
    origin = str(shared_live.client.base_url).rstrip("/")
    wrong: list[str] = []
    opened = browser.new_context(base_url=origin, viewport=SIZE, accept_downloads=True)
    opened.set_default_timeout(WAIT)

    def looked_at(page: Page) -> None:
        page.on("console", lambda line: wrong.append(line.text) if _is_wrong(line) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))

    opened.on("page", looked_at)
    opened.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((f"{origin}/", "data:", "blob:"))
            else wrong.append(f"asked {request.url}")
        ),
    )
    yield opened
    for page in opened.pages:  # Chromium may hang where it is closed while a page loads
        page.wait_for_load_state()
    opened.close()
    assert [line for line in wrong if not any(part in line for part in forgiven)] == []


def _is_wrong(line: ConsoleMessage) -> bool:
    """Whether it is an error, and not the browser's note of a refusal by the API: pages tell those."""
    refusal = line.text.startswith("Failed to load resource") and "/v1/" in line.location["url"]
    return line.type == "error" and not refusal


@pytest.fixture
def page(context: BrowserContext, shared_live: Live) -> Page:
    """A page of somebody who is logged in as the administrator."""
    opened = context.new_page()
    opened.goto(f"/login?token={shared_live.services.token.get_secret_value()}")
    return opened


@pytest.fixture
def accessible() -> Callable[[Page], None]:
    """Asserts that axe finds nothing serious on a page."""

    def check(page: Page) -> None:
        found = Axe().run(page).response["violations"]
        assert [
            (each["id"], [node["target"] for node in each["nodes"]])
            for each in found
            if each["impact"] in SERIOUS
        ] == []

    return check


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[Page, str], None]:
    """Keeps a picture of a page, where `SCREENSHOTS` names a folder for them."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))

    def take(page: Page, name: str) -> None:
        page.screenshot(path=folder / f"{name}.png", animations="disabled")

    return take
