from datetime import timedelta
from typing import Any

import httpx
import pytest

from service.tables import now
from tests.service.conftest import Live
from tests.service.journeys import Json, walk
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


def make(client: httpx.Client, **request: Any) -> Json:
    answer = client.post("/v1/tokens", json={"name": "made"} | request)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def holding(live: Live, token: Json) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token['token']}"}
    return httpx.Client(base_url=live.client.base_url, headers=headers, timeout=30)


def test_a_token_is_made_used_listed_and_revoked(shared_live: Live) -> None:
    made = make(shared_live.client, owner="cyd", name="cluster")
    assert made["token"].startswith("fall_")
    assert made["token"].endswith(made["last4"])
    assert (made["owner"], made["scopes"]) == ("cyd", ["read", "submit"])
    with holding(shared_live, made) as cyd:
        (listed,) = walk(cyd, "/v1/tokens")
        assert listed == {key: value for key, value in made.items() if key != "token"}
        ended = cyd.delete(f"/v1/tokens/{made['id']}").json()
        assert ended["revoked"] is not None
        assert problem(cyd.get("/v1/tokens"))["status"] == 401
    again = shared_live.client.delete(f"/v1/tokens/{made['id']}").json()
    assert again == ended
    assert walk(shared_live.client, "/v1/tokens", owner="cyd") == [ended]


def test_a_token_ends_when_it_is_said_to(shared_live: Live) -> None:
    made = make(shared_live.client, expires=(now() + timedelta(seconds=0.5)).isoformat())
    with holding(shared_live, made) as client:
        answers = [client.get("/v1/tokens").status_code]
        while answers[-1] == 200:
            answers.append(client.get("/v1/tokens").status_code)
    assert answers[0] == 200
    assert answers[-1] == 401


def test_nobody_makes_a_token_that_allows_more_than_theirs(shared_live: Live) -> None:
    submits = make(shared_live.client, owner="dan")
    with holding(shared_live, submits) as dan:
        body = problem(dan.post("/v1/tokens", json={"name": "x", "scopes": ["admin", "read"]}))
        assert (body["status"], body["field"], body["value"]) == (403, "scopes", ["admin"])
        body = problem(dan.post("/v1/tokens", json={"name": "x", "owner": "eve"}))
        assert (body["status"], body["field"]) == (403, "owner")
        assert problem(dan.get("/v1/tokens", params={"owner": "eve"}))["status"] == 403
        assert make(dan, scopes=["read"])["scopes"] == ["read"]


def test_only_an_administrator_ends_an_administrators_token(shared_live: Live) -> None:
    chief = make(shared_live.client, owner="fay", scopes=["admin"])
    submits = make(shared_live.client, owner="fay")
    with holding(shared_live, submits) as fay:
        assert problem(fay.delete(f"/v1/tokens/{chief['id']}"))["status"] == 403
    assert shared_live.client.delete(f"/v1/tokens/{chief['id']}").status_code == 200


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["write"]}, "scopes.0"),
        ({"owner": "../x"}, "owner"),
        ({"expires": "tomorrow"}, "expires"),
        ({"expires": "2030-01-01T00:00:00"}, "expires"),
        ({"expires": "2020-01-01T00:00:00Z"}, "expires"),
        ({"days": 3}, "days"),
    ],
)
def test_a_bad_request_names_the_field(shared_live: Live, request_: Json, field: str) -> None:
    before = len(walk(shared_live.client, "/v1/tokens"))
    body = problem(shared_live.client.post("/v1/tokens", json={"name": "made"} | request_))
    assert (body["status"], body["field"]) == (422, field)
    assert len(walk(shared_live.client, "/v1/tokens")) == before
