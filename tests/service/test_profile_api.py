import pytest

from service import tokens
from tests.service.conftest import Live
from tests.service.journeys import Json, ended, submit, table, upload
from tests.service.test_problems import problem

EMPTY = {"studies": 0, "optimizers": []}


def said(profile: Json) -> Json:
    return {name: profile[name] for name in EMPTY}


def test_a_profile_is_over_the_completed_jobs_of_their_owner(live: Live) -> None:
    assert said(live.client.get("/v1/profile").json()) == EMPTY
    dataset = upload(live.client, table(), target="kind")
    three = {"optimizers": ["sgd", "adam", "momentum"], "schedules": ["constant"], "batch": [16]}
    done = [
        submit(live.client, dataset, budget={"trials": 8, "epochs": 10}),
        submit(live.client, dataset, space=three, budget={"trials": 9, "epochs": 10}),
        submit(live.client, dataset, space=three | {"optimizers": ["sgd"]}),
    ]
    for each in done:
        assert ended(live.client, each["id"])["state"] == "completed"
    profile = live.client.get("/v1/profile").json()
    # Nobody runs against the lone optimizer of the last.
    assert profile["studies"] == 2
    rows = {row["optimizer"]: row for row in profile["optimizers"]}
    assert {name: row["studies"] for name, row in rows.items()} == {
        "sgd": 2, "adam": 2, "momentum": 1,
    }  # fmt: skip
    assert max(row["fractions"][0] for row in rows.values()) >= 0.5
    for row in rows.values():
        assert len(row["fractions"]) == len(profile["ratios"])
        assert row["fractions"] == sorted(row["fractions"])
        assert row["fractions"][-1] <= row["reached"] / row["studies"] <= 1
    only_last = live.client.get("/v1/profile", params={"limit": 1}).json()
    assert said(only_last) == EMPTY

    with live.services.database.write() as connection:
        token = tokens.create(connection, owner="ann", name="test", scopes=["read"]).token
    headers = {"Authorization": f"Bearer {token}"}
    assert said(live.anonymous.get("/v1/profile", headers=headers).json()) == EMPTY


@pytest.mark.parametrize("limit", ["0", "1001", "all"])
@pytest.mark.xdist_group("shared_live")
def test_a_bad_limit_is_refused(shared_live: Live, limit: str) -> None:
    body = problem(shared_live.client.get("/v1/profile", params={"limit": limit}))
    assert (body["status"], body["field"], body["value"]) == (422, "limit", limit)


@pytest.mark.xdist_group("shared_live")
def test_a_profile_needs_a_login(shared_live: Live) -> None:
    assert problem(shared_live.anonymous.get("/v1/profile"))["status"] == 401
