"""What a job has found, looked at."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import PHONE
from tests.service.conftest import Live
from tests.service.journeys import Json, ended, submit, table, upload

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

LONG = 60_000  # milliseconds, for what trains


@pytest.fixture(scope="module")
def job(shared_live: Live) -> Json:
    """Three optimizers compared and confirmed."""
    dataset = upload(shared_live.client, table(90), target="kind", name="looked-at")
    space = {
        "optimizers": ["sgd", "adam", "lion"],
        "schedules": ["constant", "linear"],
        "batch": [16],
    }
    submitted = submit(
        shared_live.client,
        dataset,
        space=space,
        question="compare",
        budget={"trials": 36, "epochs": 3},
        confirmation={"seeds": 3},
    )
    return ended(shared_live.client, submitted["id"])


def look(page: Page, job: Json) -> None:
    """Go to the answer, and wait until all that is not folded away is drawn."""
    page.goto(f"/jobs/{job['id']}/answer?whole=true")
    drawn(page, "#intervals, #rates-sgd, #budgets, #parallel-score, #front-seconds")
    drawn(page, "#importance")


def drawn(page: Page, charts: str) -> None:
    for chart in page.locator(charts).all() or [page.locator(charts)]:
        expect(chart.locator(".main-svg").first).to_be_visible(timeout=LONG)


def test_the_answer_is_drawn_and_can_be_read_by_all(
    page: Page,
    job: Json,
    accessible: Callable[[Page], None],
    picture: Callable[[Page, str], None],
) -> None:
    look(page, job)
    verdict = page.get_by_role("region", name="The verdict")
    expect(verdict).to_contain_text("Expect a test log_loss of")
    accessible(page)
    picture(page, "answer")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("#budgets .xtick text").first).to_have_css("fill", "rgb(228, 233, 239)")
    accessible(page)
    picture(page, "answer-dark")


def test_on_a_phone_nothing_runs_over(
    page: Page, job: Json, picture: Callable[[Page, str], None]
) -> None:
    page.set_viewport_size(PHONE)
    look(page, job)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    picture(page, "answer-phone")


def test_lines_are_coloured_by_score_or_by_optimizer(page: Page, job: Json) -> None:
    look(page, job)
    expect(page.locator("#parallel-optimizer")).to_be_hidden()
    page.get_by_label("optimizer", exact=True).check()
    drawn(page, "#parallel-optimizer")
    expect(page.locator("#parallel-score")).to_be_hidden()
    legend = page.locator("#parallel-optimizer .legendtext")
    assert sorted(legend.all_text_contents()) == ["adam", "lion", "sgd"]


def test_a_cell_of_the_matrix_tells_its_numbers(page: Page, job: Json) -> None:
    look(page, job)
    cell = page.locator(".matrix td[tabindex]").first
    expect(cell.locator(".tip")).to_be_hidden()
    cell.focus()
    expect(cell.locator(".tip")).to_be_visible()
    expect(cell.locator(".tip")).to_contain_text("adjusted p")


def test_the_configuration_is_copied(
    page: Page, context: BrowserContext, job: Json, shared_live: Live
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    look(page, job)
    for summary, identity, form in (
        ("In your own PyTorch program", "config-torch", "torch"),
        ("As a script", "config-script", "python"),
    ):
        part = page.locator("details", has_text=summary)
        part.locator("summary").click()
        page.locator(f"[data-copy='{identity}']").click()
        expect(page.locator("#message")).to_contain_text("Copied.")
        source = shared_live.client.get(f"/v1/jobs/{job['id']}/best", params={"format": form}).text
        assert page.evaluate("navigator.clipboard.readText()").strip() == source.strip()


def test_charts_and_models_are_saved(page: Page, job: Json) -> None:
    look(page, job)
    page.locator("#budgets .canvas").hover()
    with page.expect_download() as chart:
        page.locator("#budgets [data-title='Save as SVG']").click()
    assert chart.value.suggested_filename == "budgets.svg"
    assert Path(chart.value.path()).read_text().startswith("<svg")
    with page.expect_download() as script:
        page.locator("details", has_text="As a script").locator("summary").click()
        page.get_by_role("link", name="Download best.py").click()
    assert "def main" in Path(script.value.path()).read_text()
    with page.expect_download(timeout=LONG) as model:
        page.get_by_role("button", name="The trained model, safetensors").click()
    assert model.value.suggested_filename == "model-safetensors.zip"
    assert Path(model.value.path()).read_bytes().startswith(b"PK")


def test_what_is_folded_away_is_drawn_when_it_is_opened(page: Page, shared_live: Live) -> None:
    dataset = upload(shared_live.client, table(), target="kind")
    names = ["sgd", "adam", "lion", "momentum", "rmsprop", "adamw", "nadam"]
    space = {"optimizers": names, "schedules": ["constant"], "batch": [16]}
    many = submit(shared_live.client, dataset, space=space, budget={"trials": 14, "epochs": 1})
    ended(shared_live.client, many["id"])
    page.goto(f"/jobs/{many['id']}/answer?whole=true")
    drawn(page, ".multiples:not(details *) .chart")
    folded = page.locator("details .multiples .chart")
    expect(folded).to_have_count(1)
    expect(folded.locator(".main-svg")).to_have_count(0)
    page.get_by_text("And 1 more").click()
    drawn(page, "details .multiples .chart")


def test_the_report_in_one_file_draws_the_same(
    page: Page, job: Json, accessible: Callable[[Page], None], picture: Callable[[Page, str], None]
) -> None:
    look(page, job)
    sentence = page.get_by_role("region", name="The verdict").locator("p").first.inner_text()
    page.goto(f"/v1/jobs/{job['id']}/report.html")
    drawn(
        page, "#intervals, #rates-sgd, #budgets, #importance, #parallel-score, #curves, #progress"
    )
    expect(page.get_by_role("region", name="The verdict")).to_contain_text(sentence)
    page.get_by_label("optimizer", exact=True).check()
    drawn(page, "#parallel-optimizer")
    accessible(page)
    picture(page, "report")
