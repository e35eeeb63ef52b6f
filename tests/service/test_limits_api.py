"""Quotas and rate limits, on servers that were told to be strict."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import Live, live_server
from tests.service.journeys import ENDLESS, contents, submit, table, training, upload
from tests.service.test_authorisation import bearer
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("strict"), pytest.mark.timeout(300)]

REQUESTS, WRONG = 300, 5
BROWSER = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    home: Path = tmp_path_factory.mktemp("strict") / "home"
    limits = {"requests_per_minute": REQUESTS, "wrong_tokens_per_minute": WRONG}
    with live_server(home, **limits, quota_bytes=9_000, quota_jobs=2, quota_trials=5) as found:
        yield found


def test_an_owner_stores_no_more_than_is_allowed(strict: Live) -> None:
    size = upload(strict.client, table())["bytes"]
    stored = 1
    while (stored + 1) * size <= 9_000:
        upload(strict.client, table())
        stored += 1
    before = contents(strict.services)
    answer = strict.client.post(
        "/v1/datasets",
        params={"name": "one more"},
        content=table(),
        headers={"Content-Type": "text/csv"},
    )
    found = problem(answer)
    assert (found["status"], found["field"], found["allowed"]) == (429, "bytes", 9_000)
    assert found["value"] == (stored + 1) * size
    assert contents(strict.services) == before
    assert upload_as(strict, "bob") == 201  # another has a quota of her own


def upload_as(live: Live, owner: str) -> int:
    headers = bearer(live, owner=owner) | {"Content-Type": "text/csv"}
    answer = live.anonymous.post(
        "/v1/datasets", params={"name": "table"}, content=table(), headers=headers
    )
    return answer.status_code


def test_an_owner_has_no_more_unfinished_jobs_than_are_allowed(strict: Live) -> None:
    dataset = strict.client.get("/v1/datasets").json()["items"][0]
    running, waiting = (submit(strict.client, dataset, **ENDLESS) for _ in range(2))
    training(strict.client, running["id"])
    for path, content in (
        ("/v1/jobs", {"dataset": dataset["id"]}),
        (f"/v1/jobs/{running['id']}/clone", {}),
    ):
        answer = strict.client.post(path, json=content)
        found = problem(answer)
        assert (found["status"], found["field"], found["value"]) == (429, "jobs", 3)
        assert int(answer.headers["Retry-After"]) >= 1
    for job in (running, waiting):
        strict.client.post(f"/v1/jobs/{job['id']}/cancel")
    again = submit(strict.client, dataset, **ENDLESS)
    strict.client.post(f"/v1/jobs/{again['id']}/cancel")


def test_an_owner_holds_no_more_trials_than_are_allowed(strict: Live) -> None:
    headers = bearer(strict, owner="erin")
    spec = {"mode": "external", "metric": "rmse"}
    job = strict.anonymous.post("/v1/jobs", json=spec, headers=headers).json()["id"]

    def ask(count: int) -> httpx.Response:
        return strict.anonymous.post(f"/v1/jobs/{job}/ask", json={"count": count}, headers=headers)

    held = ask(4).json()["trials"]
    refused = problem(ask(2))
    assert (refused["status"], refused["field"], refused["allowed"]) == (429, "count", 1)
    assert strict.anonymous.get(f"/v1/jobs/{job}", headers=headers).json()["counts"]["running"] == 4
    tell = f"/v1/jobs/{job}/trials/{held[0]['number']}/tell"
    told = {"lease": held[0]["lease"], "value": 1.0}
    assert strict.anonymous.post(tell, json=told, headers=headers).status_code == 200
    assert len(ask(2).json()["trials"]) == 2


def test_who_asks_too_often_is_told_when_to_come_back(strict: Live) -> None:
    carol = bearer(strict, owner="carol")
    # A window that slides in steps lets a few more through where one minute ends.
    answers = [strict.anonymous.get("/v1/jobs", headers=carol) for _ in range(REQUESTS * 6 // 5)]
    assert {answer.status_code for answer in answers[:REQUESTS]} == {200}
    assert problem(answers[-1])["allowed"] == REQUESTS
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    again = bearer(strict, owner="carol")  # another token of hers helps nothing
    assert strict.anonymous.get("/v1/jobs", headers=again).status_code == 429
    dora = bearer(strict, owner="dora")
    assert strict.anonymous.get("/v1/jobs", headers=dora).status_code == 200


def test_guessing_tokens_is_slow_and_harms_nobody(strict: Live) -> None:
    wrong = {"Authorization": "Bearer fall_wrong"}
    answers = [strict.anonymous.get("/v1/jobs", headers=wrong) for _ in range(2 * WRONG)]
    assert {answer.status_code for answer in answers[:WRONG]} == {401}
    assert answers[-1].status_code == 429
    assert "Retry-After" in answers[-1].headers
    login = strict.anonymous.get("/login", params={"token": "fall_wrong"})
    assert problem(login)["status"] == 429
    form = strict.anonymous.post("/login", data={"token": "fall_wrong"}, headers=BROWSER)
    assert form.status_code == 429
    assert "Too many requests" in form.text
    emil = bearer(strict, owner="emil")  # from the same address
    assert strict.anonymous.get("/v1/jobs", headers=emil).status_code == 200
    token = emil["Authorization"].removeprefix("Bearer ")
    assert strict.anonymous.post("/login", data={"token": token}).status_code == 303
    strict.anonymous.cookies.clear()


def test_guessing_at_the_login_is_as_slow(tmp_path: Path) -> None:
    with live_server(tmp_path / "home", wrong_tokens_per_minute=WRONG) as live:

        def by_form() -> httpx.Response:
            return live.anonymous.post("/login", data={"token": "fall_wrong"})

        def by_address() -> httpx.Response:
            return live.anonymous.get("/login", params={"token": "fall_wrong"})

        answers = [send() for _ in range(WRONG) for send in (by_form, by_address)]
    assert {answer.status_code for answer in answers[:WRONG]} == {401}
    assert {answer.status_code for answer in answers[-2:]} == {429}
