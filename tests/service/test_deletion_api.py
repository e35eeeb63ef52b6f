"""What is deleted is gone: rows, trials and bytes, and nothing else is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.conftest import Live, live_server
from tests.service.journeys import (
    ENDLESS,
    contents,
    ended,
    submit,
    table,
    training,
    upload,
    walk,
)
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("deletion_api"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("deletion") / "home") as running:
        yield running


def test_all_that_was_made_of_a_job_and_its_dataset_goes(live: Live) -> None:
    before = contents(live.services)
    dataset = upload(live.client, table())
    job = ended(live.client, submit(live.client, dataset)["id"])
    assert contents(live.services) != before
    body = problem(live.client.delete(f"/v1/datasets/{dataset['id']}"))
    assert (body["status"], body["field"]) == (409, "dataset")
    assert "1 job(s) use the dataset" in body["detail"]
    assert live.client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert live.client.delete(f"/v1/datasets/{dataset['id']}").status_code == 204
    assert contents(live.services) == before
    for address in (f"/v1/jobs/{job['id']}", f"/v1/datasets/{dataset['id']}"):
        assert problem(live.client.get(address))["status"] == 404
        assert problem(live.client.delete(address))["status"] == 404


def test_bytes_stay_while_another_dataset_has_them(live: Live) -> None:
    first, second = (upload(live.client, table(70), name=name) for name in ("one", "two"))
    assert live.client.delete(f"/v1/datasets/{first['id']}").status_code == 204
    assert ended(live.client, submit(live.client, second)["id"])["state"] == "completed"
    third = upload(live.client, table(70), name="three")
    assert third["digest"] == second["digest"]


def test_a_job_under_way_is_cancelled_before_it_is_deleted(live: Live) -> None:
    dataset = upload(live.client, table())
    job = submit(live.client, dataset, **ENDLESS)["id"]
    training(live.client, job)
    body = problem(live.client.delete(f"/v1/jobs/{job}"))
    assert (body["status"], body["field"], body["value"]) == (409, "state", "running")
    live.client.post(f"/v1/jobs/{job}/cancel")
    assert live.client.delete(f"/v1/jobs/{job}").status_code == 204
    # Whatever its workers still send changes nothing, and the next job runs.
    assert ended(live.client, submit(live.client, dataset)["id"])["state"] == "completed"
    assert job not in {each["id"] for each in walk(live.client, "/v1/jobs")}


def test_the_dashboard_shows_nothing_of_a_deleted_study(live: Live, tmp_path: Path) -> None:
    """SQLite gives the deleted study's number to the next one."""
    dataset = upload(live.client, table())
    numbers = []
    for trials in (30, 8):
        job = submit(live.client, dataset, budget={"trials": trials, "epochs": 1})
        ended(live.client, job["id"])
        study = max(
            each["study_id"] for each in live.client.get("/api/studies").json()["study_summaries"]
        )
        shown = live.client.get(f"/api/studies/{study}?after=0").json()
        numbers.append(study)
        assert len(shown["trials"]) == trials
        assert live.client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert numbers[0] == numbers[1]
