"""PATCH /v1/jobs/{id}: budgets raised while a job runs, and after it has ended."""

from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import Live
from tests.service.journeys import (
    ENDLESS,
    Json,
    contents,
    ended,
    job,
    submit,
    table,
    training,
    until,
    upload,
    walk,
)

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def dataset(shared_live: Live, tmp_path_factory: pytest.TempPathFactory) -> Json:
    file: Path = tmp_path_factory.mktemp("budgets") / "table.csv"
    file.write_bytes(table(63))
    return upload(shared_live.client, file, target="kind")


@pytest.fixture
def done(shared_live: Live, dataset: Json) -> Json:
    """A job that has come to its end, of its own for each test."""
    return ended(shared_live.client, submit(shared_live.client, dataset)["id"])


def change(live: Live, job_id: str, **budget: Any) -> Any:
    return live.client.patch(f"/v1/jobs/{job_id}", json={"budget": budget})


def trials(live: Live, job_id: str) -> list[Json]:
    return walk(live.client, f"/v1/jobs/{job_id}/trials")


def test_a_job_that_has_ended_goes_on(shared_live: Live, done: Json) -> None:
    before = trials(shared_live, done["id"])
    answer = change(shared_live, done["id"], trials=20)
    assert answer.status_code == 200
    assert (answer.json()["counts"]["total"], answer.json()["finished"]) == (20, None)
    final = ended(shared_live.client, done["id"])
    assert final["state"] == "completed"
    after = trials(shared_live, done["id"])
    assert len(after) == 20
    assert after[:8] == before
    assert final["seconds"] > done["seconds"]
    assert (final["best_value"], final["best_trial"]) == min(
        (each["value"], each["number"]) for each in after if each["value"] is not None
    )


def test_a_new_verdict_replaces_the_one_before(shared_live: Live, dataset: Json) -> None:
    given = submit(shared_live.client, dataset, confirmation={"seeds": 2})
    first = ended(shared_live.client, given["id"])
    assert first["confirmed"]
    assert change(shared_live, first["id"], trials=30).status_code == 200
    second = ended(shared_live.client, first["id"])
    assert (second["confirmed"], second["counts"]["total"]) == (True, 30)
    report = shared_live.client.get(f"/v1/jobs/{first['id']}/report").json()
    best = {row["optimizer"]: row["best"]["number"] for row in report["optimizers"]}
    assert {str(number) for number in best.values()} <= report["confirmation"]["runs"].keys()


def test_a_running_job_takes_more_and_less(shared_live: Live, dataset: Json) -> None:
    running = submit(shared_live.client, dataset, budget={"trials": 400, "epochs": 30})
    view = training(shared_live.client, running["id"])
    assert change(shared_live, view["id"], trials=500).json()["counts"]["total"] == 500
    asked = sum(job(shared_live.client, view["id"])["counts"].values()) - 500
    assert change(shared_live, view["id"], trials=asked + 1).status_code == 200
    final = ended(shared_live.client, view["id"])
    assert final["state"] == "completed"
    assert asked <= len(trials(shared_live, view["id"])) < 400


def test_a_cancelled_job_goes_on(shared_live: Live, dataset: Json) -> None:
    running = submit(shared_live.client, dataset, **ENDLESS)
    training(shared_live.client, running["id"])
    shared_live.client.post(f"/v1/jobs/{running['id']}/cancel")
    assert change(shared_live, running["id"], trials=2000).json()["state"] in {"queued", "running"}
    until(lambda: job(shared_live.client, running["id"])["counts"]["running"])
    shared_live.client.post(f"/v1/jobs/{running['id']}/cancel")


@pytest.mark.parametrize(
    ("budget", "status", "field", "part"),
    [
        ({"trials": 8}, 409, "budget.trials", "met already"),
        ({"trials": 20, "seconds": 1e-6}, 409, "budget.seconds", "met already"),
        ({"trials": 20, "total_epochs": 1}, 409, "budget.total_epochs", "met already"),
        ({"trials": 0}, 422, "budget.trials", "greater than or equal to 1"),
        ({"epochs": 5}, 422, "budget", "epochs cannot change"),
        ({"colour": 5}, 422, "budget.colour", ""),
        ({"trials": None}, 422, "budget.trials", "integer"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused_and_changes_nothing(
    shared_live: Live, done: Json, budget: Json, status: int, field: str, part: str
) -> None:
    before = contents(shared_live.services), job(shared_live.client, done["id"])
    answer = change(shared_live, done["id"], **budget)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field
    assert part in answer.json()["detail"]
    assert (contents(shared_live.services), job(shared_live.client, done["id"])) == before


def test_only_the_budget_may_change(shared_live: Live, done: Json) -> None:
    answer = shared_live.client.patch(f"/v1/jobs/{done['id']}", json={"seed": 4})
    assert answer.status_code == 422
    assert shared_live.anonymous.patch(f"/v1/jobs/{done['id']}", json={}).status_code == 401
    assert change(shared_live, "nothing", trials=9).status_code == 404
