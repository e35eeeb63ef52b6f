from itertools import pairwise

import pytest

from tests.service.conftest import Live
from tests.service.journeys import ended, submit, table, upload, walk
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


def test_a_trial_is_shown_whole(shared_live: Live) -> None:
    client = shared_live.client
    # Far too high a rate for some: they diverge.
    space = {"optimizers": ["sgd"], "learning_rate": {"low": 1e-3, "high": 1e12}, "batch": [16]}
    budget = {"trials": 12, "epochs": 3}
    job = submit(client, upload(client, table()), space=space, budget=budget)
    assert ended(client, job["id"])["state"] == "completed"
    outcomes = set()
    for short in walk(client, f"/v1/jobs/{job['id']}/trials"):
        whole = client.get(f"/v1/jobs/{job['id']}/trials/{short['number']}").json()
        assert {name: whole[name] for name in short} == short
        outcomes.add(short["outcome"])
        if short["outcome"] == "completed":
            assert list(whole["curve"]) == ["1", "2", "3"]
            assert whole["curve"]["3"] == short["value"]
        else:
            assert any(value is None for value in whole["curve"].values()) or short["diverged_at"]
        moments = [line["at"] for line in whole["log"] if line["at"]]
        assert all(before <= after for before, after in pairwise(moments))
        assert whole["log"][0]["text"].startswith("asked in wave ")
        assert whole["log"][-1]["text"].startswith(f"{short['outcome']} after ")
    assert outcomes == {"completed", "diverged"}


def test_a_trial_that_is_not_there(shared_live: Live) -> None:
    client = shared_live.client
    job = submit(client, upload(client, table()))
    missing = problem(client.get(f"/v1/jobs/{job['id']}/trials/999"))
    assert (missing["status"], missing["field"], missing["value"]) == (404, "number", 999)
    assert problem(client.get(f"/v1/jobs/{job['id']}/trials/-1"))["status"] == 422
    assert problem(client.get("/v1/jobs/nothing/trials/0"))["status"] == 404
