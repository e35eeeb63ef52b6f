"""Whatever users name is text on every page, and never runs."""

from dataclasses import dataclass

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.service.conftest import Live
from tests.service.journeys import ended, submit, upload
from tests.service.pages.everything import address, templates

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

SCRIPT = "<script>window.__hit='script'</script>"
IMAGE = "\"'><img src=x onerror=\"window.__hit='image'\">"
LINK = "javascript:window.__hit='link'"
TEMPLATE = "{{7*7}}${7*7}<b>bold</b>"
PAYLOADS = (SCRIPT, IMAGE, LINK, TEMPLATE)


@dataclass(frozen=True)
class Planted:
    """Objects that are named as an attacker would name them."""

    ids: dict[str, str]
    study: str


@pytest.fixture(scope="module")
def planted(shared_live: Live) -> Planted:
    client = shared_live.client
    header = [IMAGE, TEMPLATE, LINK, "kind"]
    rows = [
        [SCRIPT if row % 2 else IMAGE, f"{row}.5", str(row * row % 11), PAYLOADS[row % 3]]
        for row in range(60)
    ]
    lines = [",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in line) for line in [header, *rows]]  # fmt: skip
    # Names of datasets and tokens are checked as they come in: letters, digits and little else.
    dataset = upload(client, "\n".join([*lines, ""]).encode(), name="alert.1", target="kind")
    for name in (SCRIPT, IMAGE):
        answer = client.post("/v1/tokens", json={"name": name})
        assert answer.status_code == 422
    jobs = [ended(client, submit(client, dataset, name=each)["id"]) for each in PAYLOADS]
    assert {each["state"] for each in jobs} == {"completed"}
    one, other = jobs[:2]
    goal = {"name": "accuracy @ 1/2", "direction": "maximize"}
    client.post("/v1/jobs", json={"mode": "external", "metric": goal, "name": f"again {IMAGE}"})
    ids = {"dataset_id": dataset["id"], "job_id": one["id"], "other_id": other["id"], "number": "0"}
    return Planted(ids, one["dashboard"])


@pytest.fixture
def watched(page: Page) -> Page:
    """A page on which a question, as of `alert`, is a failure."""

    def refuse(dialog: Dialog) -> None:
        dialog.dismiss()
        raise AssertionError(f"a script ran: {dialog.message}")

    page.on("dialog", refuse)
    # Parts of pages name no icon, and the console would tell that there is none here.
    page.route("**/favicon.ico", lambda route: route.fulfill(body=""))
    return page


def look(page: Page, where: str) -> None:
    """Go to a page, and see that nothing planted came alive there."""
    page.goto(where)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.__hit") is None, where
    assert page.locator("img[src=x], a[href^='javascript:'], b").count() == 0, where
    assert "49" not in page.title()


@pytest.mark.parametrize("template", [*templates(), "/v1/docs"])
def test_nothing_comes_alive_on_any_page(watched: Page, planted: Planted, template: str) -> None:
    if template.endswith((".csv", ".json")):
        return  # not shown but saved
    look(watched, address(template, planted.ids))


SHOWN = {
    "/datasets": "alert.1",
    "/datasets/{dataset_id}": IMAGE,
    "/jobs/{job_id}": SCRIPT,
    "/jobs/compare": IMAGE,
}


@pytest.mark.parametrize("template", [each for each in SHOWN if each in templates()])
def test_what_was_named_can_be_read(watched: Page, planted: Planted, template: str) -> None:
    watched.goto(address(template, planted.ids))
    expect(watched.get_by_role("main")).to_contain_text(SHOWN[template])


def test_names_stand_in_the_list_of_jobs_as_they_were_given(
    watched: Page, planted: Planted
) -> None:
    look(watched, "/jobs")
    for each in PAYLOADS:
        expect(watched.get_by_role("link", name=each, exact=True)).to_be_visible()
    watched.get_by_role("checkbox", name=f"Select {SCRIPT}").check()
    watched.get_by_role("button", name="Delete…").click()
    expect(watched.get_by_role("dialog").get_by_role("listitem")).to_have_text(SCRIPT)
    assert watched.evaluate("window.__hit") is None


def test_nothing_comes_alive_in_a_filter_or_a_problem(
    watched: Page, shared_live: Live, planted: Planted
) -> None:
    watched.goto("/jobs")
    for each in PAYLOADS:
        watched.get_by_label("Name", exact=True).fill(each)
        watched.get_by_role("button", name="Filter").click()
        expect(watched.get_by_label("Name", exact=True)).to_have_value(each)
        assert watched.evaluate("window.__hit") is None
    answer = shared_live.client.get(
        "/jobs", params={"state": SCRIPT}, headers={"Accept": "text/html"}
    )
    assert answer.status_code == 422
    watched.route(
        "**/refused", lambda route: route.fulfill(body=answer.text, content_type="text/html")
    )
    look(watched, "/refused")


def test_nothing_comes_alive_in_the_dashboard(watched: Page, planted: Planted) -> None:
    watched.goto(planted.study)
    expect(watched.get_by_text("Best Trial")).to_be_visible()
    assert watched.evaluate("window.__hit") is None
    watched.goto(f"{planted.study}/trials")
    expect(watched.get_by_text("Trial 0").first).to_be_visible()
    assert watched.evaluate("window.__hit") is None
