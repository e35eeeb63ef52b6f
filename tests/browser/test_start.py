"""From nothing to a running job, as a newcomer goes: by mouse, by keyboard, on a phone."""

import contextlib
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import PHONE
from tests.service.conftest import Live
from tests.service.journeys import Json, table
from tests.service.test_authorisation import bearer

pytestmark = pytest.mark.xdist_group("browser")

JOB = re.compile(r"^http://[^/]+/jobs/[0-9a-f-]{36}$")
HOSTILE = "<img src=x onerror=alert(1)>"
DROP = """([name, text]) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([text], name));
  return dropped;
}"""


@pytest.fixture
def owner(shared_live: Live, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Somebody who has nothing yet."""
    headers = bearer(shared_live, owner=request.node.name[:64])
    with httpx.Client(base_url=shared_live.client.base_url, headers=headers) as client:
        yield client


@pytest.fixture
def newcomer(context: BrowserContext, owner: httpx.Client) -> Page:
    """A page that they look at."""
    page = log_in(context, owner.headers["Authorization"])
    # The page of a job has tests of its own.
    page.route(JOB, lambda route: route.fulfill(body="<title>The job</title>"))
    return page


def log_in(context: BrowserContext, authorization: str) -> Page:
    page = context.new_page()
    page.goto(f"/login?token={authorization.removeprefix('Bearer ')}")
    return page


def file(folder: Path, name: str = "my (small) table.csv", content: bytes = b"") -> Path:
    path = folder / name
    path.write_bytes(content or table())
    return path


def form(page: Page) -> Locator:
    """The form of a job, when it is there."""
    found = page.locator("#job")
    expect(found).to_be_visible()
    return found


def tiny(page: Page) -> None:
    """Limits under which a job takes a moment."""
    page.get_by_label("My own limits").check()
    page.get_by_label("Configurations", exact=True).fill("8")
    page.get_by_label("Epochs", exact=True).fill("2")
    unfold(page, "Advanced settings")
    page.get_by_label("Confirmation seeds").fill("0")


def unfold(page: Page, title: str) -> None:
    page.locator("summary", has_text=title).click()


def shown(page: Page) -> Json:
    """The spec on the page."""
    found: Json = json.loads(page.locator("#as-json").text_content() or "")
    return found


def start(page: Page, client: httpx.Client) -> tuple[Json, Json]:
    """Press the button; what was sent, and the job that was led to."""
    with page.expect_request("**/v1/jobs") as sent:
        page.get_by_role("button", name="Start tuning").click()
    spec: Json = sent.value.post_data_json or {}
    return spec, started(page, client)


def started(page: Page, client: httpx.Client) -> Json:
    """The job that was led to; it is ended, if it has not yet: nobody waits for it."""
    expect(page).to_have_url(JOB)
    address = f"/v1{urlsplit(page.url).path}"
    client.post(f"{address}/cancel")
    job: Json = client.get(address).json()
    return job


def test_a_sample_is_two_clicks_from_a_running_job(newcomer: Page, owner: httpx.Client) -> None:
    newcomer.get_by_role("button", name="Wine").click()
    expect(newcomer.get_by_role("heading", name="Tune wine")).to_be_visible()
    expect(newcomer.get_by_label("Target column")).to_have_value("cultivar")
    expect(newcomer.get_by_role("definition").filter(has_text="classification")).to_be_visible()
    expect(newcomer.get_by_role("row", name=re.compile("^1 .*71"))).to_be_visible()
    expected = shown(newcomer)
    sent, job = start(newcomer, owner)
    assert sent == expected
    assert (job["spec"]["target"], job["spec"]["budget"]["seconds"]) == ("cultivar", 60)
    newcomer.goto("/")
    newcomer.get_by_role(
        "link", name="Which of three cultivars"
    ).click()  # it is not uploaded again
    assert form(newcomer).locator("[name=dataset]").input_value() == expected["dataset"]


def test_a_file_is_sent_its_target_changed_and_the_shown_spec_submitted(
    newcomer: Page, owner: httpx.Client, tmp_path: Path
) -> None:
    newcomer.get_by_label("Drop a file here, or choose one").set_input_files(file(tmp_path))
    expect(newcomer.get_by_role("heading", name="Tune my small table")).to_be_visible()
    expect(newcomer.get_by_label("Target column")).to_have_value("kind")
    newcomer.get_by_label("Target column").select_option("weight")
    expect(newcomer.get_by_text("Values of weight, from 0 to 9")).to_be_visible()
    tiny(newcomer)
    newcomer.get_by_label("Task").select_option("regression")
    newcomer.get_by_label("Optimizers", exact=True).select_option("own")
    newcomer.get_by_label("lion", exact=True).check()
    newcomer.get_by_label("sgd", exact=True).check()
    unfold(newcomer, "Kinds of columns")
    newcomer.get_by_label("Take size as").select_option("categorical")
    newcomer.get_by_label("Name").fill("mine")
    sent, job = start(newcomer, owner)
    assert (job["name"], job["spec"]["task"]) == ("mine", "regression")
    assert sent == {
        "dataset": job["dataset"],
        "name": "mine",
        "target": "weight",
        "task": "regression",
        "space": {"optimizers": ["sgd", "lion"]},
        "budget": {"trials": 8, "epochs": 2},
        "confirmation": {"seeds": 0},
        "columns": {"size": "categorical"},
    }


def test_the_texts_follow_the_form_and_work(
    newcomer: Page, owner: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomer.get_by_label("Drop a file here, or choose one").set_input_files(file(tmp_path))
    form(newcomer)
    unfold(newcomer, "The same as JSON")
    expect(newcomer.locator("#as-command")).to_contain_text(
        "tune 'my small table.csv' --trials 200"
    )
    newcomer.get_by_label("Which optimizer is better?").check()
    tiny(newcomer)
    expect(newcomer.locator("#as-command")).to_contain_text(
        "compare 'my small table.csv' --trials 8"
    )
    expect(newcomer.locator("#as-command")).to_contain_text("--seeds 0")
    expected = shown(newcomer)
    assert expected["question"] == "compare"
    monkeypatch.setenv("TOKEN", owner.headers["Authorization"].removeprefix("Bearer "))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(newcomer.locator("#as-python").text_content() or "", {})
    job = owner.post(f"/v1/jobs/{printed.getvalue().strip()}/cancel").json()
    assert job["spec"]["question"] == "compare"
    assert job["spec"]["budget"]["trials"] == 8
    newcomer.reload()  # the address holds what was chosen
    assert shown(newcomer) == expected
    expect(newcomer.get_by_label("Configurations", exact=True)).to_have_value("8")


def test_a_file_can_be_dropped(newcomer: Page) -> None:
    text = table().decode().replace(",", ";")
    dropped = newcomer.evaluate_handle(DROP, ["ärger 2.data.txt", text])
    newcomer.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect(newcomer.get_by_role("heading", name="Tune ärger 2.data")).to_be_visible()


def test_a_file_that_is_no_table_is_refused_in_the_apis_words(
    newcomer: Page, tmp_path: Path
) -> None:
    chooser = newcomer.get_by_label("Drop a file here, or choose one")
    chooser.set_input_files(file(tmp_path, "bad.csv", b"size,kind\n1,2\n3\n"))
    refusal = newcomer.get_by_role("alert")
    expect(refusal).to_contain_text("line 3 has 1 values; the header has 2 columns")
    chooser.set_input_files(file(tmp_path))
    form(newcomer)


def test_what_the_api_refuses_stands_beside_its_field(newcomer: Page, tmp_path: Path) -> None:
    newcomer.get_by_label("Drop a file here, or choose one").set_input_files(file(tmp_path))
    form(newcomer)
    unfold(newcomer, "Advanced settings")
    seed = newcomer.get_by_label("Seed", exact=True)
    seed.fill("-1")
    expect(seed).to_have_attribute("aria-invalid", "true")
    unfold(newcomer, "Advanced settings")
    expect(seed).to_be_hidden()
    newcomer.get_by_role("button", name="Start tuning").click()
    expect(seed).to_be_focused()
    beside = newcomer.locator("[data-field=seed] .problem")
    expect(beside).to_have_text("Input should be greater than or equal to 0")
    expect(seed).to_have_accessible_description(re.compile("^Input should be .* The same seed"))
    seed.fill("1")
    expect(beside).to_have_count(0)
    expect(seed).not_to_have_attribute("aria-invalid", "true")
    newcomer.get_by_label("Split", exact=True).select_option("time")
    newcomer.get_by_label("Split by").select_option("kind")
    expect(newcomer.locator("[data-field='split.column'] .problem")).to_contain_text(
        "split.column must be among size, weight"
    )


def test_an_estimate_says_what_a_job_would_cost(newcomer: Page, tmp_path: Path) -> None:
    newcomer.get_by_label("Drop a file here, or choose one").set_input_files(file(tmp_path))
    form(newcomer)
    tiny(newcomer)
    newcomer.get_by_role("button", name="Estimate").click()
    foretold = newcomer.locator("#foretold")
    expect(foretold).to_contain_text("for 8 configurations", timeout=60_000)
    newcomer.get_by_label("Configurations", exact=True).fill("9")
    expect(foretold).to_be_empty()


def test_the_keyboard_is_enough(newcomer: Page, owner: httpx.Client, tmp_path: Path) -> None:
    def go_to(target: Locator) -> None:
        for _ in range(80):
            if target.evaluate("element => element === document.activeElement"):
                return
            newcomer.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not come to {target}")

    newcomer.on("filechooser", lambda opened: opened.set_files(file(tmp_path)))
    go_to(newcomer.get_by_label("Drop a file here, or choose one"))
    newcomer.keyboard.press("Enter")
    form(newcomer)
    go_to(newcomer.get_by_label("Target column"))
    newcomer.keyboard.type("weight")
    go_to(newcomer.get_by_label("Find the best configuration"))
    newcomer.keyboard.press("ArrowDown")
    go_to(newcomer.get_by_role("button", name="Start tuning"))
    newcomer.keyboard.press("Enter")
    spec = started(newcomer, owner)["spec"]
    assert (spec["target"], spec["question"]) == ("weight", "compare")


def test_what_users_named_stays_text(newcomer: Page, tmp_path: Path) -> None:
    newcomer.on("dialog", lambda dialog: pytest.fail(dialog.message))
    rows = "\n".join(f'{row % 5},"{HOSTILE}{row % 3}"' for row in range(60))
    content = f'size,"{HOSTILE}"\n{rows}\n'.encode()
    newcomer.get_by_label("Drop a file here, or choose one").set_input_files(
        file(tmp_path, f"{HOSTILE.replace('/', '')}.csv", content)
    )
    form(newcomer)
    expect(newcomer.get_by_label("Target column")).to_have_value(HOSTILE)
    unfold(newcomer, "First rows")
    expect(newcomer.get_by_role("cell", name=f"{HOSTILE}0").first).to_be_visible()
    unfold(newcomer, "Advanced settings")
    newcomer.get_by_label("Name").fill(HOSTILE)
    unfold(newcomer, "The same as JSON")
    expect(newcomer.locator("#as-json")).to_contain_text(f'"name": "{HOSTILE}"')
    newcomer.get_by_label("Metric").select_option("rmse")
    expect(newcomer.locator("[data-field=metric] .problem")).to_be_visible()
    assert newcomer.locator("main img").count() == 0


def test_a_reader_is_told_what_is_missing(
    context: BrowserContext, shared_live: Live, accessible: Callable[[Page], None]
) -> None:
    headers = bearer(shared_live, owner="reader", scopes=["read"])
    page = log_in(context, headers["Authorization"])
    expect(page.get_by_text("it takes a token with the scope submit")).to_be_visible()
    expect(page.locator("main").get_by_role("button")).to_have_count(0)
    accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_of_it_is_accessible_and_fits_a_phone(
    newcomer: Page,
    tmp_path: Path,
    accessible: Callable[[Page], None],
    picture: Callable[[Page, str], None],
    scheme: Any,
) -> None:
    newcomer.emulate_media(color_scheme=scheme)
    picture(newcomer, f"start-{scheme}")
    accessible(newcomer)
    content = table(header=f"{'long' * 30},weight,{'target' * 20}")
    newcomer.get_by_label("Drop a file here, or choose one").set_input_files(
        file(tmp_path, f"{'name' * 15}.csv", content)
    )
    form(newcomer)
    picture(newcomer, f"tune-{scheme}")
    for title in (
        "First rows",
        "Why these",
        "Advanced settings",
        "Kinds of columns",
        "The same as",
    ):
        unfold(newcomer, title)
    for choice in ("Optimizers", "Schedules"):
        newcomer.get_by_label(choice, exact=True).select_option("own")
    newcomer.get_by_label("Split", exact=True).select_option("grouped")
    newcomer.get_by_label("Dropping weak trials").select_option("halving")
    newcomer.get_by_label("Seed", exact=True).fill("-1")
    expect(newcomer.locator("[data-field=seed] .problem")).to_be_visible()
    accessible(newcomer)
    expect_to_fit_a_phone(newcomer)
    picture(newcomer, f"tune-phone-{scheme}")
    newcomer.goto("/")
    expect_to_fit_a_phone(newcomer)


def expect_to_fit_a_phone(page: Page) -> None:
    """Nothing of it is beyond the right edge."""
    page.set_viewport_size(PHONE)
    expect(page.locator("html")).to_have_js_property("scrollWidth", PHONE["width"])
