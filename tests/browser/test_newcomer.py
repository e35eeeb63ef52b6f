"""The whole way of a newcomer, from a sample to a verdict; its pictures are those of the README."""

import os
import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.service.conftest import Live
from tests.service.test_authorisation import bearer

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

# A study worth a picture takes a minute.
LIMITS = ("160", "20", "10") if "SCREENSHOTS" in os.environ else ("24", "3", "2")
END_MS = 200_000
FITS = """() => {
  const drawn = [...document.querySelectorAll(".js-plotly-plot .main-svg")];
  const wide = drawn.filter((svg) => svg.clientWidth > svg.closest(".canvas").clientWidth + 1);
  return drawn.length > 5 && !wide.length && document.documentElement.scrollWidth <= innerWidth;
}"""


def test_from_a_sample_to_a_verdict(
    context: BrowserContext, shared_live: Live, picture: Callable[[Page, str], None]
) -> None:
    headers = bearer(shared_live, owner="newcomer")
    page = context.new_page()
    page.goto(f"/login?token={headers['Authorization'].removeprefix('Bearer ')}")
    picture(page, "start")
    page.get_by_role("button", name="Handwritten digits").click()
    expect(page.get_by_role("heading", name="Tune digits")).to_be_visible()
    page.get_by_label("My own limits").check()
    trials, epochs, seeds = LIMITS
    page.get_by_label("Configurations", exact=True).fill(trials)
    page.get_by_label("Epochs", exact=True).fill(epochs)
    page.locator("summary", has_text="Advanced settings").click()
    page.get_by_label("Confirmation seeds").fill(seeds)
    page.get_by_role("button", name="Start tuning").click()

    expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f-]{36}$"))
    expect(page.locator("#charts .js-plotly-plot").first).to_be_visible(timeout=END_MS)
    page.wait_for_function(
        "part => document.querySelectorAll('#by_trials .point').length >= part",
        arg=int(trials) / 3,
        timeout=END_MS,
    )
    picture(page, "live")
    expect(page.locator("[data-state]").first).to_have_text("completed", timeout=END_MS)
    sentence = page.locator("#answer .verdict .sentence")
    expect(sentence).to_have_text(re.compile("beats|cannot be told|tie|not enough"))

    job = page.url.rpartition("/")[2]
    with httpx.Client(base_url=shared_live.client.base_url, headers=headers) as client:
        said = client.get(f"/v1/jobs/{job}/best").json()
    expect(sentence).to_have_text(said["sentence"])
    page.wait_for_function(
        "() => document.querySelector('#answer').compareDocumentPosition("
        "document.querySelector('#charts')) === Node.DOCUMENT_POSITION_FOLLOWING"
    )
    expect(page.locator("#answer")).to_contain_text(said["config"]["optimizer"]["name"])
    sentence.evaluate("line => line.closest('.verdict').scrollIntoView()")
    picture(page, "answer")

    page.reload()
    page.keyboard.press("End")  # all charts come into sight at once
    expect(page.locator("#answer .js-plotly-plot").last).to_be_attached()
    page.wait_for_function(FITS)

    page.goto("/optimizers/adamw")
    expect(page.get_by_role("link", name="Tune with it").first).to_be_visible()
    picture(page, "catalogue")
    page.emulate_media(reduced_motion="reduce")  # paths are there at once
    page.goto("/playground")
    page.get_by_role("link", name="What decay changes").click()
    expect(page.locator("#note")).to_contain_text("Noisy slopes")
    expect(page.get_by_text("200 of 200")).to_be_visible()
    picture(page, "playground")
