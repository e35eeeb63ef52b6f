"""Jobs side by side, looked at."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.service.conftest import Live
from tests.service.journeys import ended, submit, table, upload

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]


def test_jobs_side_by_side(
    page: Page,
    shared_live: Live,
    accessible: Callable[[Page], None],
    picture: Callable[[Page, str], None],
) -> None:
    client = shared_live.client
    dataset = upload(client, table(), target="kind", name="sides")
    jobs = [submit(client, dataset, seed=seed) for seed in (0, 1)]
    chosen = "&".join(f"job={ended(client, each['id'])['id']}" for each in jobs)
    page.goto(f"/jobs/compare?{chosen}")
    for chart in ("#race-trials-1", "#race-seconds-1", "#profiles"):
        expect(page.locator(f"{chart} .main-svg").first).to_be_visible()
    expect(page.get_by_text("The seeds differ, so other rows judged (A: 0; B: 1).")).to_be_visible()
    accessible(page)
    picture(page, "compare")
    page.set_viewport_size(PHONE)
    page.reload()
    expect(page.locator("#profiles .main-svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    picture(page, "compare-phone")
