"""A job's page, followed while the job goes on: nothing of this needs a reload."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from service import reports, tokens
from service.routes import events
from tests.browser.conftest import PHONE, SIZE
from tests.service.conftest import Live
from tests.service.journeys import ENDLESS, Json, ended, submit, table, upload, walk
from tests.service.pages.test_job import EXTERNAL

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

TRAINED_MS = 60_000  # on a busy machine a wave may wait long
WIDE: Json = {
    "space": {"optimizers": ["sgd", "adam", "lion"], "schedules": ["constant"], "batch": [16]},
    "rungs": {"rule": "halving"},
    "budget": {"trials": 24, "epochs": 9},
    "confirmation": {"seeds": 2},
}


class Trainer:
    """Trains the trials of an external job, when the test says so."""

    def __init__(self, live: Live, **budget: int) -> None:
        self.client = live.client
        spec = EXTERNAL | {"budget": {"trials": 12, "epochs": 3} | budget}
        self.job: str = self.client.post("/v1/jobs", json=spec).json()["id"]

    def post(self, path: str, body: Json) -> Json:
        answer = self.client.post(f"/v1/jobs/{self.job}{path}", json=body)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def train(self, *ends: float | str) -> None:
        """A trial for each: its value, or how it ended without one."""
        for trial, end in zip(self.post("/ask", {"count": len(ends)})["trials"], ends, strict=True):
            told = {"outcome": end} if isinstance(end, str) else {"value": end}
            for epoch in (1, 2):
                value = 10.0 / epoch
                report = {"lease": trial["lease"], "epoch": epoch, "value": value}
                self.post(f"/trials/{trial['number']}/report", report)
            self.post(f"/trials/{trial['number']}/tell", {"lease": trial["lease"]} | told)


def field(page: Page, name: str) -> Locator:
    return page.locator(f"[data-field={name}]").first


def dots(page: Page, chart: str = "by_trials") -> Locator:
    return page.locator(f"#{chart} .scatterlayer .points path")


def marked(page: Page) -> None:
    """Leaves a mark that a reload would wipe away."""
    page.evaluate("() => { window.mark = 'still here' }")


def is_still_there(page: Page) -> bool:
    return bool(page.evaluate("() => window.mark === 'still here'"))


def test_trials_are_shown_as_they_end(page: Page, shared_live: Live) -> None:
    trainer = Trainer(shared_live)
    page.goto(f"/jobs/{trainer.job}")
    marked(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("External job")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    expect(page.get_by_text("Charts appear when the first wave has ended.")).to_be_visible()
    expect(page).to_have_title("0 % · External job · Fallline")

    trainer.train(7.5, 6.25, "diverged")
    expect(field(page, "ended")).to_have_text("3")
    expect(field(page, "completed")).to_have_text("2")
    expect(field(page, "best")).to_have_text("6.25")
    expect(page.get_by_role("link", name="trial 1", exact=True)).to_be_visible()
    expect(page).to_have_title("25 % · External job · Fallline")
    expect(dots(page)).to_have_count(3)
    expect(page.locator("#curves figcaption")).to_contain_text("All 3 learning curves")
    rows = page.locator("#trials tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("diverged")
    expect(rows.nth(1)).to_contain_text("6.25")
    expect(page.locator("#answer")).to_contain_text("6.25")

    trainer.train(5.0, 9.0, "stopped")
    expect(field(page, "ended")).to_have_text("6")
    expect(field(page, "best")).to_have_text("5")
    expect(dots(page)).to_have_count(5)  # a stopped one has no value
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "6")

    trainer.train(*(4.125 + number for number in range(6)))
    expect(page.locator("[data-state]")).to_have_text("completed")
    expect(page).to_have_title("completed · External job · Fallline")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    expect(page.locator("#answer")).to_contain_text("4.125")
    assert is_still_there(page)


def test_what_was_followed_is_what_a_reload_shows(
    page: Page, shared_live: Live, picture: Callable[[Page, str], None]
) -> None:
    client = shared_live.client
    job = submit(client, upload(client, table(300), name="kinds of things"), **WIDE)
    page.goto(f"/jobs/{job['id']}")
    marked(page)
    expect(dots(page, "curves").first).to_be_attached(timeout=TRAINED_MS)
    picture(page, "job-running")
    expect(page.locator("[data-state]")).to_have_text("completed", timeout=TRAINED_MS)
    expect(dots(page)).to_have_count(24)
    assert is_still_there(page)
    followed = said(page)

    view = ended(client, job["id"])
    assert followed["best"] == f"{view['best_value']:.4g}"
    assert followed["completed"] == str(view["counts"]["completed"])
    assert followed["finalists"] == str(view["finalists"])
    newest = walk(client, f"/v1/jobs/{job['id']}/trials")[:-13:-1]
    assert [row[0] for row in followed["trials"]] == [str(trial["number"]) for trial in newest]
    page.reload()
    assert said(page) == followed


def said(page: Page) -> dict[str, Any]:
    """All that a page says in places that change, and its table of trials."""
    found: dict[str, Any] = {
        each.get_attribute("data-field") or "": each.text_content()
        for each in page.locator("[data-field]").all()
    }
    rows = page.locator("#trials tbody tr").all()
    found["trials"] = [
        [" ".join(t.split()) for t in row.locator("td, th").all_text_contents()] for row in rows
    ]
    del found["place"], found["workers"]
    return found


def test_numbers_are_written_as_the_server_writes_them(page: Page) -> None:
    from service.rendering import duration, rate, score

    page.goto("/")
    numbers = [0.0, 1.0, 0.1, 3.2e-05, 1e-05, 0.00012345, 0.99996, 9999.6, 12345.678, 1e300, -2.5]
    seconds = [0.04, 9.94, 9.96, 10.2, 59.4, 61.0, 120.2, 3599.0, 3600.0, 86_399.0]
    found = page.evaluate(
        """async ([address, numbers, seconds]) => {
          const { duration, rate, score } = await import(address);
          return [
            numbers.map(rate),
            numbers.map((each) => score(each, "log_loss")),
            numbers.slice(0, 6).map((each) => score(each, "accuracy")),
            seconds.map(duration),
            [rate(null), score(null, "accuracy"), duration(null)],
          ];
        }""",
        ["/assets/numbers.js", numbers, seconds],
    )
    assert found == [
        [rate(each) for each in numbers],
        [score(each, "log_loss") for each in numbers],
        [score(each, "accuracy") for each in numbers[:6]],
        [duration(each) for each in seconds],
        ["–"] * 3,
    ]


def test_a_job_is_paused_and_goes_on(page: Page, shared_live: Live) -> None:
    job = submit(shared_live.client, upload(shared_live.client, table()), **ENDLESS)
    page.goto(f"/jobs/{job['id']}")
    state = page.locator("[data-state]")
    expect(state).to_have_text("running", timeout=TRAINED_MS)
    page.get_by_role("button", name="Pause").click()
    expect(state).to_have_text("paused")
    expect(page).to_have_title("paused · table · Fallline")
    expect(page.get_by_text("It rests until it is resumed")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(state).to_have_text("running", timeout=TRAINED_MS)

    page.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog", name="Cancel the job?")
    dialog.get_by_role("button", name="Not now").click()
    expect(dialog).to_be_hidden()
    expect(state).to_have_text("running")
    page.get_by_role("button", name="Cancel").click()
    dialog.get_by_role("button", name="Cancel the job").click()
    expect(state).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Delete")).to_be_visible()


# What the stream says is heard a second late, unless the stream was closed by then.
LATE = """
const add = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (type, heard) {
  const late = (event) => this.readyState === EventSource.CLOSED || heard(event);
  add.call(this, type, (event) => setTimeout(late, 1000, event));
};
"""


def test_a_job_goes_on_though_its_pause_is_heard_of_only_then(
    page: Page, shared_live: Live
) -> None:
    job = submit(shared_live.client, upload(shared_live.client, table()), **ENDLESS)
    page.add_init_script(LATE)
    page.goto(f"/jobs/{job['id']}")
    state = page.locator("[data-state]")
    expect(state).to_have_text("running", timeout=TRAINED_MS)
    page.get_by_role("button", name="Pause").click()
    expect(state).to_have_text("paused")
    page.wait_for_timeout(500)  # the stream looks five times a second
    page.get_by_role("button", name="Resume").click()
    page.wait_for_timeout(1500)
    expect(state).to_have_text("running", timeout=TRAINED_MS)
    shared_live.client.post(f"/v1/jobs/{job['id']}/cancel")


def test_a_job_that_has_ended_goes_on_with_a_larger_budget(
    page: Page, shared_live: Live, forgiven: set[str]
) -> None:
    forgiven.add("409 (Conflict)")
    client = shared_live.client
    job = submit(client, upload(client, table()))
    ended(client, job["id"])
    page.goto(f"/jobs/{job['id']}")
    page.get_by_role("button", name="Change the budget").click()
    dialog = page.get_by_role("dialog", name="Change the budget")
    dialog.get_by_label("Trials").fill("7")
    dialog.get_by_role("button", name="Change the budget").click()
    expect(dialog.get_by_role("alert")).to_contain_text("limit on trials is met already")
    dialog.get_by_label("Trials").fill("12")
    dialog.get_by_label("Seconds").fill("500")
    dialog.get_by_role("button", name="Change the budget").click()
    expect(dialog).to_be_hidden()
    expect(field(page, "total")).to_have_text("12")
    expect(field(page, "ended")).to_have_text("12", timeout=TRAINED_MS)
    expect(page.locator("[data-state]")).to_have_text("completed", timeout=TRAINED_MS)
    assert ended(client, job["id"])["spec"]["budget"]["seconds"] == 500


def test_a_job_is_renamed_cloned_and_deleted(page: Page, shared_live: Live) -> None:
    client = shared_live.client
    job = submit(client, upload(client, table()))
    page.goto(f"/jobs/{job['id']}")
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("textbox", name="Name").fill("<i>mine</i>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("<i>mine</i>")
    expect(page).to_have_title(re.compile("<i>mine</i>"))

    page.get_by_role("button", name="Again with another seed").click()
    expect(page).not_to_have_url(re.compile(job["id"]))
    copy = client.get(page.url.replace("/jobs/", "/v1/jobs/")).json()
    assert copy["spec"]["seed"] == job["spec"]["seed"] + 1
    expect(page.locator("[data-state]")).to_have_text("completed", timeout=TRAINED_MS)
    page.wait_for_load_state("networkidle")  # what is still on its way is not there any more then

    page.route("**/jobs", lambda route: route.fulfill(body="the list"))
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete the job").click()
    expect(page.get_by_text("the list")).to_be_visible()
    assert client.get(f"/v1/jobs/{copy['id']}").status_code == 404


def test_a_broken_connection_is_taken_up_where_it_broke(
    page: Page,
    context: BrowserContext,
    shared_live: Live,
    forgiven: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forgiven.add("ERR_INTERNET_DISCONNECTED")
    monkeypatch.setattr(events, "STREAM_SECONDS", 2.0)  # the browser connects again and again
    trainer = Trainer(shared_live)
    trainer.train(9.0)
    page.goto(f"/jobs/{trainer.job}")
    trainer.train(8.0)
    expect(field(page, "ended")).to_have_text("2")
    context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text("The connection broke")
    trainer.train(7.0, 6.0)
    expect(field(page, "ended")).to_have_text("2")
    context.set_offline(False)
    expect(field(page, "ended")).to_have_text("4", timeout=60_000)
    numbers = page.locator("#trials [data-cell=number]")
    expect(numbers).to_have_text(["3", "2", "1", "0"])
    expect(dots(page)).to_have_count(4)


def test_an_answer_that_was_shared_is_asked_for_again_until_nothing_is_missing(
    page: Page, shared_live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "SHARE", 0.002)  # one that took 20 ms is shared for 10 s
    trainer = Trainer(shared_live)
    with page.expect_response("**/answer"):
        page.goto(f"/jobs/{trainer.job}")
    trainer.train(9.0)
    expect(page.locator("#answer")).to_contain_text("did best so far", timeout=60_000)


def test_what_one_has_opened_in_the_answer_stays_open(page: Page, shared_live: Live) -> None:
    trainer = Trainer(shared_live)
    trainer.train(9.0)
    answers = iter(range(100))
    page.route(
        f"**/jobs/{trainer.job}/answer",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f"<p>Answer {next(answers)}</p><details id=more><summary>More</summary>It</details>",
        ),
    )
    page.goto(f"/jobs/{trainer.job}")
    answer = page.locator("#answer")
    expect(answer).to_contain_text("Answer 0")
    answer.get_by_text("More").click()
    trainer.train(8.0)
    expect(answer).not_to_contain_text("Answer 0")
    expect(answer.locator("details")).to_have_attribute("open", "")


def test_a_dot_leads_to_its_trial(page: Page, shared_live: Live) -> None:
    trainer = Trainer(shared_live)
    trainer.train(9.0, 3.0, 6.0)
    page.goto(f"/jobs/{trainer.job}")
    expect(dots(page)).to_have_count(3)
    expect(page.locator("#answer")).to_contain_text("adam")  # nothing moves any more
    dots(page).first.scroll_into_view_if_needed()
    box = dots(page).first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#by_trials .hoverlayer")).to_contain_text("completed")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"Trial \d"))
    expect(page.locator("#curve .scatterlayer path").first).to_be_attached()


def test_a_reader_only_looks(context: BrowserContext, shared_live: Live) -> None:
    trainer = Trainer(shared_live)
    with shared_live.services.database.write() as connection:
        token = tokens.create(
            connection, owner=tokens.LOCAL_OWNER, name="test", scopes=["read"]
        ).token
    page = context.new_page()
    page.goto(f"/login?token={token}")
    page.goto(f"/jobs/{trainer.job}")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    trainer.train(9.0)
    expect(field(page, "ended")).to_have_text("1")
    # The answer's own buttons copy and save.
    assert page.locator("button:not(#answer *)").all_text_contents() == ["Log out"]


def test_anybody_can_read_it_on_anything(
    page: Page,
    shared_live: Live,
    accessible: Callable[[Page], None],
    picture: Callable[[Page, str], None],
) -> None:
    client = shared_live.client
    name = "a_name_that_has_no_place_at_which_it_could_be_broken_" + "x" * 11
    dataset = upload(client, table(300), name="long" + "_name" * 12)
    job = ended(client, submit(client, dataset, **WIDE, name=name)["id"])
    for address in (f"/jobs/{job['id']}", f"/jobs/{job['id']}/trials/{job['best_trial']}"):
        kind = "trial" if "trials" in address else "job"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(SIZE)
            page.goto(address)
            expect(page.locator(".chart .scatterlayer path").first).to_be_attached()
            accessible(page)
            picture(page, f"{kind}-{scheme}")
        page.set_viewport_size(PHONE)
        page.goto(address)
        expect(page.locator(".chart .scatterlayer path").first).to_be_attached()
        assert page.evaluate("() => document.documentElement.scrollWidth") == PHONE["width"]
        picture(page, f"{kind}-phone")
    page.set_viewport_size(SIZE)
    page.goto(f"/jobs/{job['id']}")
    page.get_by_role("button", name="Change the budget").click()
    accessible(page)
    picture(page, "job-dialog")
