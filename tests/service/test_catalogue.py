import pytest

from optimizers.configuration import Configuration
from optimizers.registry import RULES
from optimizers.schedules import SCHEDULES
from tests.service.conftest import Live
from tests.service.journeys import walk

pytestmark = pytest.mark.xdist_group("shared_live")


@pytest.mark.parametrize(("address", "names"), [("optimizers", RULES), ("schedules", SCHEDULES)])
def test_everything_that_can_be_searched_is_listed(
    shared_live: Live, address: str, names: dict[str, object]
) -> None:
    entries = walk(shared_live.client, f"/v1/{address}")
    assert [entry["name"] for entry in entries] == list(names)
    for entry in entries:
        assert entry.keys() == {"name", "summary", "formula", "reference", "hyperparameters"}
        assert entry["summary"].endswith(".")
        assert entry["formula"]
        assert entry["reference"]
        assert entry["hyperparameters"]


@pytest.mark.parametrize("address", ["optimizers", "schedules"])
def test_hyperparameters_tell_their_default_meaning_and_range(
    shared_live: Live, address: str
) -> None:
    for entry in walk(shared_live.client, f"/v1/{address}"):
        for h in entry["hyperparameters"]:
            assert h["meaning"].endswith(".")
            assert h["allowed"].startswith(("a number at least", "a whole number at least"))
            assert h["searched"] == (h["low"] is not None) == (h["high"] is not None)
            assert not h["searched"] or h["low"] < h["high"]
            assert h["scale"] in {"linear", "log", "log1m"}


def test_listed_defaults_are_those_of_training(shared_live: Live) -> None:
    for entry in walk(shared_live.client, "/v1/optimizers"):
        defaults = {h["name"]: h["default"] for h in entry["hyperparameters"]}
        assert Configuration(entry["name"]).hyperparameters == defaults
    for entry in walk(shared_live.client, "/v1/schedules"):
        defaults = {h["name"]: h["default"] for h in entry["hyperparameters"]}
        made = Configuration("sgd", schedule=entry["name"])
        assert made.schedule_hyperparameters == defaults
