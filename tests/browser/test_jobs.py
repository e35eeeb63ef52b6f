"""The list of jobs, as somebody works with it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.service.conftest import Live
from tests.service.journeys import ENDLESS, Json, ended, job, submit, table, training, upload

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

LONG = "a name as long as a name may be, which is sixty-four characters."


@pytest.fixture(scope="module")
def dataset(shared_live: Live) -> Json:
    return upload(shared_live.client, table(), name="kinds by size")


def test_a_running_job_moves_by_itself_and_what_is_selected_stays(
    page: Page, shared_live: Live, dataset: Json
) -> None:
    client = shared_live.client
    found = submit(client, dataset, name="moving", budget={"trials": 100_000, "epochs": 2})
    page.goto("/jobs?name=moving")
    line = page.locator(f"#job-{found['id']}")
    box = line.get_by_role("checkbox")
    box.check()
    expect(line).to_contain_text("running", timeout=60_000)
    expect(line.locator("[data-live=best]")).not_to_contain_text("–", timeout=60_000)
    client.post(f"/v1/jobs/{found['id']}/cancel")
    expect(line).to_contain_text("cancelled")
    view = job(client, found["id"])
    ended_ones = sum(count for name, count in view["counts"].items() if name != "total")
    expect(line).to_contain_text(f"{ended_ones:,} of 100,000")
    expect(line).to_contain_text(f"{view['best_value']:.4g}")
    expect(box).to_be_checked()
    expect(box).to_be_focused()
    expect(page.get_by_role("button", name="Delete…")).to_be_enabled()


def test_it_asks_only_while_a_job_is_under_way_and_somebody_looks(
    page: Page, shared_live: Live, dataset: Json
) -> None:
    found = submit(shared_live.client, dataset, name="followed", **ENDLESS)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.install()
    page.goto("/jobs?name=followed")
    line = page.locator(f"#job-{found['id']}")

    def asks_within_a_minute() -> bool:
        before = len(asked)
        page.clock.run_for(60_000)
        return len(asked) > before

    with page.expect_response("**/jobs?name=followed"):
        page.clock.run_for(2_100)
    hide(page, hidden=True)
    assert not asks_within_a_minute()
    shared_live.client.post(f"/v1/jobs/{found['id']}/cancel")
    hide(page, hidden=False)
    with page.expect_response("**/jobs?name=followed"):
        page.clock.run_for(2_100)
    expect(line).to_contain_text("cancelled")
    assert not asks_within_a_minute()


def hide(page: Page, *, hidden: bool) -> None:
    """As if one had gone to another tab, or come back."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_jobs_are_cancelled_and_deleted_after_a_question(
    page: Page, shared_live: Live, dataset: Json
) -> None:
    client = shared_live.client
    running, waiting = (submit(client, dataset, name=f"{each} away", **ENDLESS) for each in (LONG[:50], "second"))  # fmt: skip
    training(client, running["id"])
    page.goto("/jobs?name=away")
    cancel, delete = (page.get_by_role("button", name=f"{word}…") for word in ("Cancel", "Delete"))
    expect(cancel).to_be_disabled()
    page.get_by_role("checkbox", name="Select all jobs").check()
    expect(delete).to_be_disabled()  # first they have to end
    cancel.click()
    dialog = page.get_by_role("dialog", name="Cancel 2 jobs?")
    expect(dialog.get_by_role("listitem")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(cancel).to_be_focused()
    assert job(client, running["id"])["state"] == "running"
    cancel.click()
    expect(page.get_by_role("button", name="Keep them")).to_be_focused()
    for _ in range(3):  # the focus stays in the dialog, or leaves the page
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    dialog.get_by_role("button", name="Cancel 2 jobs").click()
    for found in (running, waiting):
        expect(page.locator(f"#job-{found['id']}")).to_contain_text("cancelled")
        assert job(client, found["id"])["state"] == "cancelled"
    delete.click()
    page.get_by_role("button", name="Delete 2 jobs").click()
    expect(page.locator(f"#job-{running['id']}")).to_have_count(0)
    assert client.get(f"/v1/jobs/{running['id']}").status_code == 404
    assert client.get(f"/v1/jobs/{waiting['id']}").status_code == 404


def test_two_jobs_are_compared(page: Page, shared_live: Live, dataset: Json) -> None:
    found = [submit(shared_live.client, dataset, name=f"pair {each}") for each in "ab"]
    for each in found:
        ended(shared_live.client, each["id"])
    page.goto("/jobs?name=pair")
    compare = page.get_by_role("button", name="Compare")
    page.get_by_role("checkbox", name="Select pair a").check()
    expect(compare).to_be_disabled()
    page.get_by_role("checkbox", name="Select pair b").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    with page.expect_request("**/jobs/compare?*") as asked:
        page.route("**/jobs/compare?*", lambda route: route.fulfill(body="another's page"))
        compare.click()
    newest_first = [each["id"] for each in reversed(found)]
    assert asked.value.url.split("?")[1] == "&".join(f"job={each}" for each in newest_first)


def test_the_list_is_narrowed_by_a_form(page: Page, shared_live: Live, dataset: Json) -> None:
    found = submit(shared_live.client, dataset, name="needle")
    ended(shared_live.client, found["id"])
    page.goto("/jobs")
    page.get_by_label("Name", exact=True).fill("NEEDLE")
    page.get_by_label("Dataset").select_option("kinds by size")
    page.get_by_role("checkbox", name="completed").check()
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#lines tr")).to_have_count(1)
    expect(page.get_by_label("Name", exact=True)).to_have_value("NEEDLE")
    expect(page.get_by_role("checkbox", name="completed")).to_be_checked()
    page.get_by_role("link", name="Show all").click()
    expect(page).to_have_url(f"{shared_live.client.base_url}/jobs")


def test_it_can_be_used_by_everybody(
    page: Page,
    shared_live: Live,
    dataset: Json,
    accessible: Callable[[Page], None],
    picture: Callable[[Page, str], None],
) -> None:
    found = submit(shared_live.client, dataset, name=LONG)
    ended(shared_live.client, found["id"])
    page.goto("/jobs")
    accessible(page)
    picture(page, "jobs")
    page.emulate_media(color_scheme="dark")
    accessible(page)
    picture(page, "jobs_dark")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    picture(page, "jobs_phone")


def test_the_keyboard_skips_the_links_on_top(page: Page) -> None:
    page.goto("/jobs")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    page.keyboard.press("Tab")
    focused = page.locator(":focus-visible")
    assert focused.evaluate("(each) => !!each.closest('main')")
    assert focused.evaluate("(each) => getComputedStyle(each).outlineStyle") == "solid"
