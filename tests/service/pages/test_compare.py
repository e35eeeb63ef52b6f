"""Several jobs side by side."""

import pytest

from service import tokens
from service.rendering import score
from tests.service.conftest import Live
from tests.service.journeys import Json, ended, job, submit, table, upload
from tests.service.test_report_page import Page

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def done(shared_live: Live) -> list[Json]:
    """Two that compare, and one that does not."""
    client = shared_live.client
    dataset = upload(client, table(), target="kind", name="sides")
    other = upload(client, table(70), target="kind", name="longer")
    jobs = [
        submit(client, dataset, name="<i>first</i>", confirmation={"seeds": 2}),
        submit(client, dataset, question="compare", budget={"trials": 4, "epochs": 3}),
        submit(client, other, metric="accuracy", seed=7),
    ]
    return [ended(client, each["id"]) for each in jobs]


def compared(live: Live, jobs: list[Json]) -> Page:
    answer = live.client.get("/jobs/compare", params={"job": [each["id"] for each in jobs]})
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


def words(page: Page) -> str:
    return " ".join(page.text.split())


def test_jobs_on_the_same_rows_compare(shared_live: Live, done: list[Json]) -> None:
    page = compared(shared_live, done[:2])
    text = words(page)
    assert "2 jobs side by side" in text
    assert "Their scores compare" in text
    assert "<i>first</i>" in text
    values = " ".join(
        f"{each['metric']} {score(each['best_value'], each['metric'])}" for each in done[:2]
    )
    assert f"best validation {values}" in text
    assert "question search, kind compare, kind" in text
    assert "trials 8 of 8 4 of 4" in text
    assert set(page.figures) >= {"race-trials-1", "race-seconds-1", "profiles"}


def test_charts_run_to_each_jobs_end(shared_live: Live, done: list[Json]) -> None:
    figures = compared(shared_live, done[:2]).figures
    for place, trace in enumerate(figures["race-trials-1"]["data"]):
        view = done[place]
        progress = shared_live.client.get(f"/v1/jobs/{view['id']}/report").json()["progress"]
        assert trace["y"][:-1] == pytest.approx([value for _, value in progress], rel=1e-4)
        assert trace["x"][:-1] == [number for number, _ in progress]
        assert trace["x"][-1] == view["counts"]["total"] - 1
    for trace in figures["race-seconds-1"]["data"]:
        assert trace["x"] == sorted(trace["x"])
        assert trace["x"][0] > 0


def test_what_does_not_compare_is_said_and_why(shared_live: Live, done: list[Json]) -> None:
    page = compared(shared_live, done)
    text = words(page)
    assert "Their scores do not compare. Those of A and B do with each other." in text
    assert "The tables differ (A: sides; B: sides; C: longer)." in text
    assert "The metrics differ (A: log_loss; B: log_loss; C: accuracy)." in text
    assert "The seeds differ" in text
    races = [name for name in page.figures if name.startswith("race-trials")]
    assert races == ["race-trials-1", "race-trials-2"]  # a pair for each metric


def test_jobs_without_trials_have_a_place_too(shared_live: Live, done: list[Json]) -> None:
    begun = shared_live.client.post("/v1/jobs", json={"mode": "external", "metric": "accuracy"})
    page = compared(shared_live, [begun.json(), done[0]])
    assert "A: trained elsewhere, so nobody here knows which rows judged." in words(page)
    alone = compared(
        shared_live, [begun.json(), job(shared_live.client, begun.json()["id"]), done[0]]
    )
    assert "2 jobs side by side" in words(alone)  # the same one twice is one


@pytest.mark.parametrize("count", [1, 9])
def test_two_to_eight_jobs_can_be_compared(shared_live: Live, count: int) -> None:
    chosen = [f"job-{each}" for each in range(count)]
    answer = shared_live.client.get(
        "/jobs/compare", params={"job": chosen}, headers={"Accept": "text/html"}
    )
    assert answer.status_code == 422
    assert f"Choose 2 to 8 jobs to compare; got {count}." in words(Page(answer.text))


def test_jobs_are_chosen_in_their_list(shared_live: Live) -> None:
    answer = shared_live.client.get("/jobs/compare")
    assert (answer.status_code, answer.headers["location"]) == (307, "/jobs")


def test_jobs_of_others_are_not_there(shared_live: Live, done: list[Json]) -> None:
    with shared_live.services.database.write() as connection:
        token = tokens.create(connection, owner="ann", name="test", scopes=["read"]).token
    answer = shared_live.anonymous.get(
        "/jobs/compare",
        params={"job": [each["id"] for each in done]},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 404
