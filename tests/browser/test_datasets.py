"""Looking at datasets, and deleting them."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.test_start import expect_to_fit_a_phone, log_in
from tests.service.conftest import Live
from tests.service.journeys import submit, table, upload
from tests.service.test_authorisation import bearer

pytestmark = pytest.mark.xdist_group("browser")


def test_a_dataset_is_deleted_once_that_is_confirmed(page: Page, shared_live: Live) -> None:
    dataset = upload(shared_live.client, table(), name="to be deleted")
    page.goto("/datasets")
    button = page.get_by_role("button", name="Delete to be deleted").first
    button.click()
    dialog = page.get_by_role("dialog", name="Delete to be deleted?")
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator(f"[data-delete='{dataset['id']}']")).to_have_count(0)
    assert shared_live.client.get(f"/v1/datasets/{dataset['id']}").status_code == 404


def test_a_dataset_that_jobs_use_stays_and_the_page_says_why(page: Page, shared_live: Live) -> None:
    dataset = upload(shared_live.client, table(), name="in use")
    job = submit(shared_live.client, dataset)
    shared_live.client.post(f"/v1/jobs/{job['id']}/cancel")
    page.goto(f"/datasets/{dataset['id']}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert")).to_have_text("1 job(s) use the dataset. Delete them first.")


def test_tuning_begins_from_a_dataset(page: Page, shared_live: Live) -> None:
    dataset = upload(shared_live.client, table(), name="ready")
    page.goto("/datasets")
    page.get_by_role("link", name="Tune ready").first.click()
    expect(page).to_have_url(f"{shared_live.client.base_url}/?dataset={dataset['id']}")
    expect(page.get_by_role("heading", name="Tune ready")).to_be_visible()
    page.get_by_role("link", name="What is in it").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    expected = shared_live.client.get(f"/v1/datasets/{dataset['id']}/csv").content
    assert download.value.path().read_bytes() == expected


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_of_it_is_accessible_and_fits_a_phone(
    context: BrowserContext,
    shared_live: Live,
    accessible: Callable[[Page], None],
    picture: Callable[[Page, str], None],
    scheme: str,
) -> None:
    headers = bearer(shared_live, owner=f"owner of {scheme} names")
    page = log_in(context, headers["Authorization"])
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto("/datasets")
    expect(page.get_by_text("There are no datasets yet.")).to_be_visible()
    content = table(header=f"{'long' * 30},weight,{'target' * 20}")
    with httpx.Client(base_url=shared_live.client.base_url, headers=headers) as client:
        for name in ("table", "name" * 16):
            upload(client, content, name=name)
    page.reload()
    picture(page, f"datasets-{scheme}")
    accessible(page)
    expect_to_fit_a_phone(page)
    page.get_by_role("link", name="table", exact=True).click()
    expect(page.get_by_role("heading", name="table", exact=True)).to_be_visible()
    expect_to_fit_a_phone(page)
    picture(page, f"dataset-phone-{scheme}")
    accessible(page)
