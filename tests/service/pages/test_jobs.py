"""The list of jobs, as it stands without scripts."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.service.conftest import Live
from tests.service.journeys import Json, ended, submit, table, upload
from tests.service.pages.everything import Html
from tests.service.test_authorisation import bearer

pytestmark = pytest.mark.xdist_group("shared_live")


@pytest.fixture(scope="module")
def ann(shared_live: Live) -> Iterator[httpx.Client]:
    """An owner who has no jobs but those of this module."""
    headers = bearer(shared_live, owner="ann of jobs") | {"Accept": "text/html"}
    with httpx.Client(base_url=shared_live.client.base_url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def jobs(ann: httpx.Client) -> list[Json]:
    """A job with a name, one without, and one that is trained elsewhere; oldest first."""
    assert "No jobs yet" in ann.get("/jobs").text
    dataset = upload(ann, table(), name="irises")
    named = submit(ann, dataset, name="first try")
    plain = submit(ann, dataset, question="compare")
    spec = {"mode": "external", "metric": "accuracy", "name": "on our GPUs"}
    outside = ann.post("/v1/jobs", json=spec).json()
    ann.post(f"/v1/jobs/{outside['id']}/pause")
    return [ended(ann, named["id"]), ended(ann, plain["id"]), outside]


def line(text: str, job: Json) -> str:
    """The row of a job."""
    found = re.search(rf'<tr id="job-{job["id"]}".*?</tr>', text, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def test_the_newest_comes_first_with_what_the_api_says(ann: httpx.Client, jobs: list[Json]) -> None:
    text = ann.get("/jobs").text
    places = [text.index(f'id="job-{job["id"]}"') for job in reversed(jobs)]
    assert places == sorted(places)
    named, plain, outside = (line(text, job) for job in jobs)
    assert "first try Best configuration for kind in irises completed" in named
    assert f"{jobs[0]['best_value']:.4g} log_loss 8 of 8" in named
    assert "irises Which optimizer is better for kind completed" in plain
    assert "on our GPUs Best configuration, trained elsewhere paused" in outside
    assert "– accuracy 0 of 100" in outside


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=FIRST", [0]),
        ("name=&dataset=", [0, 1, 2]),
        ("state=paused", [2]),
        ("state=completed&state=paused&name=our", [2]),
        ("state=running", []),
        ("dataset=DATASET", [0, 1]),
    ],
)
def test_filters_are_in_the_query(
    ann: httpx.Client, jobs: list[Json], query: str, found: list[int]
) -> None:
    text = ann.get(f"/jobs?{query.replace('DATASET', jobs[0]['dataset'])}").text
    shown = [number for number, job in enumerate(jobs) if f'id="job-{job["id"]}"' in text]
    assert shown == found
    assert ("No job is like that" in text) == (not found)
    assert "No jobs yet" not in text


def test_a_state_that_there_is_not_is_refused_on_a_page(ann: httpx.Client) -> None:
    answer = ann.get("/jobs?state=sleeping")
    assert answer.status_code == 422
    assert "queued" in answer.text


def test_long_lists_come_in_pages(
    ann: httpx.Client, jobs: list[Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.pages.jobs.AT_ONCE", 2)
    first = ann.get("/jobs?name=&state=completed&state=paused").text
    assert "Newest jobs" not in first
    older = next(each for each in Html(first).values("href") if "cursor=" in each)
    assert "state=completed&state=paused" in older
    second = ann.get(older).text
    assert [f'id="job-{job["id"]}"' in second for job in jobs] == [True, False, False]
    assert "Older jobs" not in second
    assert "Newest jobs" in second


def test_who_may_only_read_sees_no_buttons_that_change(shared_live: Live, jobs: list[Json]) -> None:
    headers = bearer(shared_live, owner="ann of jobs", scopes=["read"])
    text = shared_live.anonymous.get("/jobs", headers=headers).text
    assert "first try" in text
    assert 'id="compare"' in text
    assert 'id="cancel"' not in text
    assert 'id="delete"' not in text
