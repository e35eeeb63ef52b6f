"""The catalogue of schedules: every one has a page, its curve is what training uses."""

import json
import re

import pytest
import torch

from optimizers.schedules import SCHEDULES, factors
from service.pages import schedules
from service.pages.formulas import formula
from tests.service.conftest import Live
from tests.service.pages.test_optimizers import PAGE, rows, text

pytestmark = pytest.mark.xdist_group("shared_live")


def figure(page: str) -> dict[str, list[float]]:
    """What a page draws, curve by curve."""
    found = re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return {each["name"]: each["y"] for each in json.loads(found[1])["data"]}


def test_every_schedule_is_listed_with_its_curve(shared_live: Live) -> None:
    page = shared_live.client.get("/schedules", headers=PAGE).text
    assert re.findall(r'<h2><a href="/schedules/(\w+)"', page) == list(SCHEDULES)
    assert page.count("<polyline") == 2 * len(SCHEDULES)
    for schedule in SCHEDULES.values():
        assert formula(schedule.formula) in page


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_has_a_page_with_what_the_registry_says(shared_live: Live, name: str) -> None:
    answer = shared_live.client.get(f"/schedules/{name}", headers=PAGE)
    assert answer.status_code == 200
    schedule, page = SCHEDULES[name], answer.text
    assert formula(schedule.formula) in page
    assert text(schedule.summary) in text(page)
    shown = rows(page[page.index("What can be set") :])
    assert list(shown) == [h.name for h in schedule.hyperparameters]
    for h in schedule.hyperparameters:
        assert shown[h.name][0] == h.meaning
        assert float(shown[h.name][1]) == pytest.approx(h.default, rel=1e-3)
    assert ("Try it in the playground" in page) == (not schedule.watches)


@pytest.mark.parametrize("name", [name for name, each in SCHEDULES.items() if not each.watches])
def test_curves_are_the_factors_of_training(shared_live: Live, name: str) -> None:
    drawn = figure(shared_live.client.get(f"/schedules/{name}", headers=PAGE).text)
    schedule, steps = SCHEDULES[name], torch.arange(schedules.STEPS, dtype=torch.float64)
    for label, changed in (("defaults", {}), ("warmup 0.1", {"warmup": 0.1})):
        columns = {
            h.name: torch.tensor([changed.get(h.name, h.default)], dtype=torch.float64)
            for h in schedule.hyperparameters
        }
        wanted = factors(schedule, steps, schedules.STEPS, columns)[:, 0]
        assert drawn[label] == wanted.tolist()


def test_ends_of_ranges_can_be_turned_on() -> None:
    labels = schedules.settings(SCHEDULES["step"])
    assert list(labels) == [
        "defaults",
        "warmup 0.1",
        "gamma 0.05",
        "gamma 0.7",
        "drops 1",
        "drops 3",
    ]
    assert labels["drops 3"] == {"drops": 3}


def test_a_plateau_drops_when_the_loss_has_stayed_for_its_patience() -> None:
    curve = schedules.curve(SCHEDULES["plateau"], {})
    length = schedules.STEPS // schedules.EPOCHS
    # The loss falls for 11 epochs and stays; the 11th without improvement is one more than it bears.
    first = (11 + 11) * length
    assert curve[first - 1] == 1.0
    assert curve[first] == pytest.approx(0.1)
    assert curve == sorted(curve, reverse=True)


def test_an_unknown_schedule_is_not_found(shared_live: Live) -> None:
    assert shared_live.client.get("/schedules/cosin", headers=PAGE).status_code == 404
