"""The catalogue in a browser: formulas are set, the filter filters, charts are drawn."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from optimizers.registry import RULES
from tests.browser.conftest import PHONE

pytestmark = pytest.mark.xdist_group("browser")


def fits(page: Page) -> bool:
    """Whether a page is as wide as the window, and nothing on it wider."""
    found: bool = page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    return found


def test_what_is_typed_filters_the_list(
    page: Page, accessible: Callable[[Page], None], picture: Callable[[Page, str], None]
) -> None:
    page.goto("/optimizers")
    cards = page.locator(".rules li")
    expect(cards).to_have_count(len(RULES))
    picture(page, "optimizers")
    accessible(page)
    page.get_by_label("Show those with").fill("cautious SIGN")
    expect(cards.filter(visible=True)).to_have_count(1)
    expect(page.get_by_role("status").filter(has_text="1 of 49")).to_be_visible()
    expect(page.get_by_role("heading", name="Matrix")).to_be_hidden()
    page.get_by_label("Show those with").fill("")
    expect(cards.filter(visible=True)).to_have_count(len(RULES))
    page.get_by_role("link", name="cautious_lion").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("cautious_lion")


def test_a_rule_s_formula_is_set_as_mathematics(
    page: Page, accessible: Callable[[Page], None], picture: Callable[[Page, str], None]
) -> None:
    page.goto("/optimizers/adam")
    fraction = page.locator(".stated mfrac")
    above, below = (fraction.locator(":scope > *").nth(place).bounding_box() for place in (0, 1))
    assert above is not None
    assert below is not None
    assert above["y"] + above["height"] <= below["y"] + 1
    picture(page, "optimizer")
    accessible(page)
    page.get_by_role("link", name="Try it in the playground").click()
    expect(page.locator("#paths select").first).to_have_value("adam")


@pytest.mark.parametrize(
    "address", ["/optimizers", "/optimizers/soap", "/schedules", "/schedules/one_cycle"]
)
def test_the_catalogue_fits_a_phone_and_the_dark(
    page: Page,
    accessible: Callable[[Page], None],
    picture: Callable[[Page, str], None],
    address: str,
) -> None:
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert fits(page)
    picture(page, f"{address.strip('/').replace('/', '-')}-phone-dark")
    accessible(page)


def test_a_schedule_is_drawn_with_the_ends_of_its_ranges(
    page: Page, accessible: Callable[[Page], None], picture: Callable[[Page, str], None]
) -> None:
    page.goto("/schedules")
    accessible(page)
    picture(page, "schedules")
    page.get_by_role("link", name="step", exact=True).click()
    lines = page.locator("#factor .scatterlayer .trace")
    expect(lines).to_have_count(2)
    page.locator("#factor .legend").get_by_text("drops 1").dispatch_event("click")
    accessible(page)
    picture(page, "schedule")
