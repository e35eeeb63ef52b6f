"""Jobs submitted with a name and a place, found again, estimated beforehand, and cloned."""

from typing import Any

import pytest

from tests.service.conftest import Live
from tests.service.journeys import ENDLESS, SMALL, Json, ended, submit, table, upload
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


@pytest.fixture
def dataset(shared_live: Live) -> Json:
    return upload(shared_live.client, table())


def found(live: Live, **wanted: Any) -> list[str]:
    answer = live.client.get("/v1/jobs", params=wanted)
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["items"]]


def test_a_job_is_found_by_what_it_was_called(shared_live: Live, dataset: Json) -> None:
    named = submit(shared_live.client, dataset, name="Prices, <b>first</b> try", priority=7)
    other = submit(shared_live.client, dataset)
    assert (named["name"], named["priority"]) == ("Prices, <b>first</b> try", 7)
    assert (other["name"], other["priority"]) == (None, 0)
    on_it = {"dataset": dataset["id"]}
    assert found(shared_live, **on_it) == [other["id"], named["id"]]
    assert found(shared_live, **on_it, name="prices") == [named["id"]]
    assert found(shared_live, **on_it, since=other["created"]) == [other["id"]]
    assert found(shared_live, **on_it, before=other["created"]) == [named["id"]]
    changed = shared_live.client.patch(
        f"/v1/jobs/{other['id']}", json={"name": "another", "priority": -3}
    ).json()
    assert (changed["name"], changed["priority"]) == ("another", -3)
    assert changed["spec"] == other["spec"]
    assert found(shared_live, **on_it, name="another") == [other["id"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "x" * 65), ("name", 3), ("priority", 101), ("priority", "first")],
)
def test_names_and_places_are_checked(
    shared_live: Live, dataset: Json, field: str, value: object
) -> None:
    answer = shared_live.client.post("/v1/jobs", json={"dataset": dataset["id"], field: value})
    assert (problem(answer)["status"], problem(answer)["field"]) == (422, field)


def test_a_time_needs_its_zone(shared_live: Live) -> None:
    answer = shared_live.client.get("/v1/jobs", params={"since": "2026-01-01T00:00:00"})
    assert (problem(answer)["status"], problem(answer)["field"]) == (422, "since")


def test_a_clone_is_what_was_asked_for_with_what_has_changed(
    shared_live: Live, dataset: Json
) -> None:
    asked = SMALL | {"dataset": dataset["id"], "name": "first", "seed": 3}
    job = shared_live.client.post("/v1/jobs", json=asked).json()
    address = f"/v1/jobs/{job['id']}/clone"
    same = shared_live.client.post(address, json={})
    assert same.status_code == 201, same.text
    assert same.json()["id"] != job["id"]
    assert same.json()["spec"] == job["spec"]
    changes = {"budget": {"trials": 9}, "name": None, "seed": 4}
    other = shared_live.client.post(address, json=changes).json()
    assert other["spec"]["budget"] == job["spec"]["budget"] | {"trials": 9}
    assert (other["spec"]["seed"], other["name"]) == (4, None)
    assert other["spec"]["space"] == job["spec"]["space"]
    assert ended(shared_live.client, other["id"])["counts"]["total"] == 9


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"budget": {"trials": 0}}, "budget.trials"), ({"colour": "red"}, "colour"),
     ({"dataset": None}, "dataset"), ({"space": {"optimizers": ["none"]}}, "space.optimizers")],
)  # fmt: skip
def test_a_clone_is_checked_as_any_job(
    shared_live: Live, dataset: Json, changes: Json, field: str
) -> None:
    job = submit(shared_live.client, dataset)
    before = found(shared_live)
    answer = shared_live.client.post(f"/v1/jobs/{job['id']}/clone", json=changes)
    assert (problem(answer)["status"], problem(answer)["field"]) == (422, field)
    assert found(shared_live) == before


def test_a_job_is_estimated_and_not_queued(shared_live: Live, dataset: Json) -> None:
    before = found(shared_live)
    asked = SMALL | {"dataset": dataset["id"]}
    answer = shared_live.client.post("/v1/jobs:estimate", json=asked)
    assert answer.status_code == 200, answer.text
    cost = answer.json()
    assert (cost["trials"], cost["confirmation_trainings"]) == (8, 0)
    assert 0 < cost["seconds"] < 60
    assert cost["bytes"] > 1000
    assert found(shared_live) == before
    wrong = asked | {"budget": {"trials": -1}}
    refused = shared_live.client.post("/v1/jobs:estimate", json=wrong)
    assert problem(refused)["field"] == "budget.trials"


def test_an_estimate_goes_ahead_of_a_job_that_trains(shared_live: Live, dataset: Json) -> None:
    endless = submit(shared_live.client, dataset, **ENDLESS)
    asked = SMALL | {"dataset": dataset["id"], "seed": 11}
    answer = shared_live.client.post("/v1/jobs:estimate", json=asked)
    assert answer.status_code in {200, 503}, answer.text  # its first waves are long
    shared_live.client.post(f"/v1/jobs/{endless['id']}/cancel")
