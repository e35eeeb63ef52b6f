"""optuna-dashboard, which has pages of its own."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.service.conftest import Live
from tests.service.journeys import ended, submit, table, upload

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]


def test_its_own_script_runs_and_there_is_a_way_back(
    page: Page, shared_live: Live, picture: Callable[[Page, str], None]
) -> None:
    """Nothing stands in the console, of theirs or ours: the fixture would fail."""
    client = shared_live.client
    found = ended(client, submit(client, upload(client, table()))["id"])
    page.goto("/")
    page.get_by_role("link", name="Dashboard").click()
    listed = page.get_by_text(found["study"])
    expect(listed).to_be_visible()
    listed.click()
    expect(page).to_have_url(f"{client.base_url}{found['dashboard']}")
    expect(page.get_by_text(f"Best Trial (number={found['best_trial']})")).to_be_visible()
    picture(page, "dashboard")
    back = page.get_by_role("link", name="Fallline")
    assert back.evaluate(
        "(link) => { const box = link.getBoundingClientRect();"
        " return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) === link; }"
    )  # nothing of theirs lies over it
    back.click()
    expect(page).to_have_url(f"{client.base_url}/")
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
