"""Requests that are sent again with the same Idempotency-Key."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select, update

from service.idempotency import KEPT
from service.tables import idempotency_keys, now
from tests.service.conftest import Live
from tests.service.journeys import ENDLESS, SMALL, Json, contents, submit, table, upload
from tests.service.test_authorisation import bearer
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


def send(
    client: httpx.Client, key: str, path: str, headers: dict[str, str] | None = None, **more: Any
) -> httpx.Response:
    return client.post(path, headers={"Idempotency-Key": key} | (headers or {}), **more)


def replayed(answer: httpx.Response) -> bool:
    assert answer.status_code in {200, 201}, answer.text
    return "idempotent-replayed" in answer.headers


@pytest.fixture
def key() -> str:
    return str(uuid4())


@pytest.fixture
def dataset(shared_live: Live) -> Json:
    return upload(shared_live.client, table())


def test_a_job_is_made_once(shared_live: Live, dataset: Json, key: str) -> None:
    client, asked = shared_live.client, SMALL | {"dataset": dataset["id"]}
    first = send(client, key, "/v1/jobs", json=asked)
    before = contents(shared_live.services)["jobs"]
    again = send(client, key, "/v1/jobs", json=dict(reversed(asked.items())))
    assert (replayed(first), replayed(again)) == (False, True)
    assert again.json()["id"] == first.json()["id"]
    assert contents(shared_live.services)["jobs"] == before


def test_of_requests_at_the_same_time_one_makes_the_job(
    shared_live: Live, dataset: Json, key: str
) -> None:
    client, asked = shared_live.client, SMALL | {"dataset": dataset["id"]}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(client, key, "/v1/jobs", json=asked), range(16)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [replayed(answer) for answer in answers].count(False) == 1


def test_a_key_belongs_to_one_request(shared_live: Live, dataset: Json, key: str) -> None:
    client, asked = shared_live.client, SMALL | {"dataset": dataset["id"]}
    made = send(client, key, "/v1/jobs", json=asked).json()
    before = contents(shared_live.services)
    for path, content in [
        ("/v1/jobs", asked | {"seed": 1}),
        (f"/v1/jobs/{made['id']}/pause", None),
    ]:
        found = problem(send(client, key, path, json=content))
        assert (found["status"], found["field"], found["value"]) == (409, "idempotency-key", key)
    assert contents(shared_live.services)["jobs"] == before["jobs"]


def test_a_refused_request_may_be_sent_again_with_its_key(
    shared_live: Live, dataset: Json, key: str
) -> None:
    client, asked = shared_live.client, SMALL | {"dataset": dataset["id"]}
    wrong = asked | {"space": {"optimizers": ["adamm"]}}
    assert problem(send(client, key, "/v1/jobs", json=wrong))["status"] == 422
    assert not replayed(send(client, key, "/v1/jobs", json=asked))


def test_keys_of_others_do_not_matter(shared_live: Live, key: str) -> None:
    content, kind = table(), {"Content-Type": "text/csv"}
    ids = set()
    for owner in ("ann", "bob"):
        headers = bearer(shared_live, owner=owner) | kind
        sent = send(shared_live.client, key, "/v1/datasets?name=a", headers, content=content)
        assert not replayed(sent)
        ids.add(sent.json()["id"])
    assert len(ids) == 2


def test_an_upload_is_kept_once(shared_live: Live, key: str) -> None:
    kind = {"Content-Type": "text/csv"}
    first, again = (
        send(shared_live.client, key, "/v1/datasets?name=a", kind, content=table(61))
        for _ in range(2)
    )
    assert (replayed(first), replayed(again)) == (False, True)
    assert again.json() == first.json()
    other = send(shared_live.client, key, "/v1/datasets?name=a", kind, content=table(62))
    assert problem(other)["status"] == 409
    renamed = send(shared_live.client, key, "/v1/datasets?name=b", kind, content=table(61))
    assert problem(renamed)["status"] == 409


def test_a_job_moves_once(shared_live: Live, dataset: Json, key: str) -> None:
    client = shared_live.client
    job = submit(client, dataset, **ENDLESS)
    for expected in (False, True, True):
        answer = send(client, key, f"/v1/jobs/{job['id']}/cancel")
        assert replayed(answer) == expected
        assert answer.json()["state"] == "cancelled"
    assert problem(client.post(f"/v1/jobs/{job['id']}/cancel"))["status"] == 409


def test_a_token_is_shown_once(shared_live: Live, key: str) -> None:
    client = shared_live.client
    made = send(client, key, "/v1/tokens", json={"name": "ci"}).json()
    found = problem(send(client, key, "/v1/tokens", json={"name": "ci"}))
    assert (found["status"], found["field"]) == (409, "idempotency-key")
    assert made["token"] not in str(found)


def test_a_key_is_forgotten_after_a_day(shared_live: Live, dataset: Json, key: str) -> None:
    client, asked = shared_live.client, SMALL | {"dataset": dataset["id"]}
    first = send(client, key, "/v1/jobs", json=asked)
    with shared_live.services.database.write() as connection:
        past = now() - KEPT - timedelta(seconds=1)
        connection.execute(
            update(idempotency_keys).where(idempotency_keys.c.key == key).values(created=past)
        )
    again = send(client, key, "/v1/jobs", json=asked)
    assert not replayed(again)
    assert again.json()["id"] != first.json()["id"]
    with shared_live.services.database.read() as connection:
        count = select(func.count()).where(idempotency_keys.c.key == key)
        assert connection.execute(count).scalar_one() == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_an_odd_key_is_refused(shared_live: Live, dataset: Json, key: str) -> None:
    answer = send(shared_live.client, key, "/v1/jobs", json=SMALL | {"dataset": dataset["id"]})
    found = problem(answer)
    assert (found["status"], found["field"]) == (422, "idempotency-key")
