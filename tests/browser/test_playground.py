"""The playground in a browser: paths are drawn and move, what is set is asked for and shared."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from service.pages.playground import PRESETS
from tests.browser.conftest import PHONE
from tests.browser.test_catalogue import fits
from tests.service.conftest import Live

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def still(page: Page) -> Page:
    """The page of somebody who wants nothing to move."""
    page.emulate_media(reduced_motion="reduce")
    return page


def points(page: Page, path: int = 0, chart: str = "map") -> int:
    """How many points of a path are drawn."""
    drawn = page.locator(f"#{chart} polyline").nth(path).get_attribute("points") or ""
    return len(drawn.split())


def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def part(page: Page, name: str, row: int = 0) -> Locator:
    return page.locator("#paths tr").nth(row).locator(f"[data-part={name}]")


def shown(page: Page, paths: int, step: str) -> None:
    """Waits until so many paths are there, at a step such as ``20 of 20``."""
    expect(page.locator("#map polyline")).to_have_count(paths)
    expect(page.locator("#now")).to_have_text(step)


def test_paths_run_from_the_start_to_the_last_step(page: Page) -> None:
    page.goto("/playground?landscape=beale&path=adam:0.1&path=sgd:0.01&steps=100")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    page.get_by_label("Step", exact=True).fill("10")
    assert points(page) == points(page, 1) == points(page, 0, "heights") == 11
    page.get_by_role("button", name="Play").click()
    expect(page.locator("#now")).to_have_text("100 of 100")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert points(page) == points(page, 1) == 101


def test_who_wants_nothing_to_move_is_shown_the_end(still: Page) -> None:
    still.goto("/playground?path=sgd:0.001&steps=40")
    shown(still, 1, "40 of 40")
    assert points(still) == 41
    still.get_by_label("Step", exact=True).fill("7")
    assert points(still) == 8
    assert points(still, 0, "heights") == 8


def test_paths_are_drawn_where_the_numbers_say(still: Page, shared_live: Live) -> None:
    query = "landscape=himmelblau&path=momentum:0.005&steps=30&x=-4&y=4"
    still.goto(f"/playground?{query}")
    shown(still, 1, "30 of 30")
    (path,) = shared_live.client.get(f"/playground/paths?{query}").json()["paths"]
    area = still.locator("#map .overlay").evaluate(
        "each => [each.width.baseVal.value, each.height.baseVal.value]"
    )
    drawn = (still.locator("#map polyline").get_attribute("points") or "").split()
    for place, x, y in zip(drawn, path["x"], path["y"], strict=True):
        left, top = map(float, place.split(","))
        assert left == pytest.approx(area[0] * (x + 5) / 10, abs=0.2)
        assert top == pytest.approx(area[1] * (5 - y) / 10, abs=0.2)


def test_examples_say_what_there_is_to_see(
    still: Page, accessible: Callable[[Page], None], picture: Callable[[Page, str], None]
) -> None:
    still.goto("/playground")
    expect(still.locator("#note")).to_have_text(PRESETS[0].note)
    for preset in PRESETS[1:]:
        still.get_by_role("link", name=preset.name).click()
        expect(still.locator("#note")).to_have_text(preset.note)
        fields = parse_qs(preset.query)
        shown(still, len(fields["path"]), f"{fields['steps'][0]} of {fields['steps'][0]}")
        assert asked(still) == fields
        picture(still, f"playground-{preset.name.lower().replace(' ', '-')}")
    accessible(still)


def test_what_is_set_stands_in_the_address_and_comes_back(still: Page) -> None:
    still.goto("/playground?path=sgd:0.001&steps=20")
    shown(still, 1, "20 of 20")
    still.get_by_role("button", name="Add a path").click()
    shown(still, 2, "20 of 20")
    part(still, "optimizer", 1).select_option("rmsprop")
    expect(still.locator("#paths output").nth(1)).to_contain_text("best of 26")
    part(still, "schedule", 1).select_option("cosine")
    part(still, "rate", 1).fill("-2")
    expect(still.locator("#paths output").nth(1)).to_have_text("0.01")
    still.get_by_label("Landscape", exact=True).select_option("beale")
    expect(still.get_by_label("Start x")).to_have_value("1")
    still.get_by_label("Noise of the slopes").fill("0.5")
    wanted = {
        "landscape": ["beale"],
        "path": ["sgd:0.001", "rmsprop:0.01:cosine"],
        "steps": ["20"],
        "noise": ["0.5"],
    }
    expect(still).to_have_url(re.compile("noise=0.5"))
    assert asked(still) == wanted
    end = still.locator("#paths .end").nth(1).inner_text()
    still.reload()
    shown(still, 2, "20 of 20")
    assert asked(still) == wanted
    expect(part(still, "schedule", 1)).to_have_value("cosine")
    expect(still.locator("#paths .end").nth(1)).to_have_text(end)
    part(still, "remove", 0).click()
    shown(still, 1, "20 of 20")
    expect(still).not_to_have_url(re.compile("sgd"))
    assert asked(still)["path"] == ["rmsprop:0.01:cosine"]


def test_a_click_on_the_map_starts_from_there(still: Page) -> None:
    still.goto("/playground?landscape=himmelblau&path=sgd:0.005&steps=10")
    shown(still, 1, "10 of 10")
    box = still.locator("#map .nsewdrag").bounding_box()
    assert box is not None
    still.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.2 * box["height"])
    expect(still).to_have_url(re.compile("&x="))
    x, y = (float(asked(still)[name][0]) for name in "xy")
    assert (x, y) == pytest.approx((-2.5, 3.0), abs=0.1)  # the map's grid is 1/12 wide
    expect(still.get_by_label("Start x")).to_have_value(f"{x:g}")


def test_a_path_that_leaves_is_said_and_no_start_is_off_the_map(still: Page) -> None:
    still.goto("/playground?landscape=himmelblau&path=sgd:0.05&steps=50")
    expect(still.locator("#paths .end")).to_have_text("left at step 7")
    assert points(still) == 7
    still.get_by_label("Start x").fill("9")
    assert still.locator("#x:invalid").count() == 1  # is not asked for
    still.get_by_label("Start x").fill("4.5")
    expect(still).to_have_url(re.compile("x=4.5"))


def test_no_more_paths_than_can_be_told_apart(still: Page) -> None:
    still.goto("/playground?" + "&".join(["path=sgd:0.001"] * 7) + "&steps=5")
    shown(still, 7, "5 of 5")
    still.get_by_role("button", name="Add a path").click()
    shown(still, 8, "5 of 5")
    expect(still.get_by_role("button", name="Add a path")).to_be_disabled()


def test_the_playground_fits_a_phone_and_the_dark(
    still: Page, accessible: Callable[[Page], None], picture: Callable[[Page, str], None]
) -> None:
    still.set_viewport_size(PHONE)
    still.emulate_media(color_scheme="dark")
    still.goto("/playground")
    shown(still, 3, "200 of 200")
    assert fits(still)
    accessible(still)
    picture(still, "playground-phone-dark")
