"""Pages that one only reads: anybody can, in light and dark, on a phone."""

from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, SIZE
from tests.service.conftest import Live

pytestmark = pytest.mark.xdist_group("browser")


LIGHT, DARK = "light", "dark"


@pytest.mark.parametrize(
    ("address", "schemes"),
    [
        ("/tokens", [LIGHT, DARK]),
        ("/about", [LIGHT, DARK]),
        ("/about/audit", [LIGHT, DARK]),
        ("/v1/docs", [DARK]),  # so long that axe takes seconds
    ],
)
def test_it_can_be_read_by_everybody(
    page: Page,
    address: str,
    schemes: list[Literal["light", "dark"]],
    accessible: Callable[[Page], None],
    picture: Callable[[Page, str], None],
) -> None:
    name = address.strip("/").replace("/", "_")
    for scheme in schemes:
        page.set_viewport_size(SIZE)
        page.emulate_media(color_scheme=scheme)
        page.goto(address)
        accessible(page)
        picture(page, f"{name}_{scheme}")
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_problem_leads_on(
    page: Page, shared_live: Live, accessible: Callable[[Page], None]
) -> None:
    answer = shared_live.client.get("/nothing", headers={"Accept": "text/html"})
    # As if it were all right: else the browser's console tells of it, as it should.
    page.route(
        "**/nothing", lambda route: route.fulfill(body=answer.text, content_type="text/html")
    )
    page.goto("/nothing")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    accessible(page)
    page.get_by_role("link", name="Your jobs").click()
    expect(page).to_have_url(f"{shared_live.client.base_url}/jobs")


def test_the_description_of_the_api_opens_what_one_looks_up(page: Page) -> None:
    page.goto("/v1/docs")
    operation = page.get_by_role("region", name="POST /v1/tokens")
    operation.get_by_role("link", name="TokenRequest").click()
    fields = page.locator("#schema-TokenRequest")
    expect(fields.get_by_role("row", name="scopes")).to_be_visible()
    expect(fields.get_by_role("row", name="scopes")).to_contain_text(
        'list of "read", "submit", "admin"'
    )
