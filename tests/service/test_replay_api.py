"""Manifests, and trials trained again, over a real server."""

import httpx
import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from service import cli, tables, tokens
from service.client import Client, FalllineError
from studies.environment import present_environment
from tests import datasets as files
from tests.service.conftest import Live
from tests.service.journeys import (
    ENDLESS,
    Json,
    ended,
    submit,
    training,
    upload,
    walk,
)
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]

SPEC: Json = {
    "model": {"hidden": [8], "dropout": 0.2},
    "space": {"optimizers": ["sgd", "adam", "lookahead"], "batch": [16, "full"]},
    "budget": {"trials": 20, "epochs": 27},
    "rungs": {"audited": 0.2},
    "seed": 3,
}


@pytest.fixture(scope="module")
def done(shared_live: Live, tmp_path_factory: pytest.TempPathFactory) -> Json:
    """A job that has ended."""
    file = files.wine(tmp_path_factory.mktemp("replayed") / "wine.csv", imperfect=True)
    dataset = upload(shared_live.client, file, target="target")
    view = ended(shared_live.client, submit(shared_live.client, dataset, **SPEC)["id"])
    assert view["state"] == "completed", view
    return view


def manifest(live: Live, job: Json) -> Json:
    answer = live.client.get(f"/v1/jobs/{job['id']}/manifest")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def replay(live: Live, job: Json, number: int) -> httpx.Response:
    return live.client.post(f"/v1/jobs/{job['id']}/trials/{number}/replay")


def replayed(live: Live, job: Json, number: int) -> Json:
    answer = replay(live, job, number)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def of_outcome(live: Live, job: Json, outcome: str) -> list[int]:
    params = {"outcome": outcome}
    return [t["number"] for t in walk(live.client, f"/v1/jobs/{job['id']}/trials", **params)]


def change_attempts(live: Live, job: Json, attempts: list[Json] | None) -> None:
    """As if the job had run otherwise."""
    with live.services.database.write() as connection:
        connection.execute(
            update(tables.jobs).where(tables.jobs.c.id == job["id"]).values(attempts=attempts)
        )


def test_a_manifest_has_everything_that_decides_a_study(shared_live: Live, done: Json) -> None:
    found = manifest(shared_live, done)
    dataset = shared_live.client.get(f"/v1/datasets/{done['dataset']}").json()
    assert found["job"] == done["id"]
    assert found["dataset"] == {
        "id": dataset["id"], "digest": dataset["digest"], "rows": 178, "target": "target"
    }  # fmt: skip
    assert found["spec"] == done["spec"]
    assert (found["spec"]["seed"], found["spec"]["sampler"]) == (3, "model")
    (attempt,) = found["attempts"]
    assert (attempt["attempt"], found["changed"]) == (1, [])
    conditions = attempt["conditions"]
    assert conditions["waves_in_flight"] == 1
    assert conditions["budget"] == done["spec"]["budget"]
    assert conditions["parts"] == {"train": 112, "validation": 29, "test": 36}
    here = present_environment().model_copy(update={"threads": 1})
    assert conditions["environment"] == here.model_dump()


def test_every_attempt_is_kept_and_what_changed_is_named(shared_live: Live, done: Json) -> None:
    space = SPEC["space"] | {"optimizers": ["sgd"]}
    budget = {"trials": 8, "epochs": 3}
    fields = {"space": space, "budget": budget, "rungs": {"rule": "none"}}
    queued = submit(shared_live.client, {"id": done["dataset"]}, **fields)
    ended(shared_live.client, queued["id"])
    (first,) = manifest(shared_live, queued)["attempts"]
    # As if the program had been brought up to date in between.
    versions = first["conditions"]["environment"]["versions"]
    now, versions["torch"] = versions["torch"], "1.0"
    change_attempts(shared_live, queued, [first])
    raised = {"budget": {"trials": 10}}
    assert shared_live.client.patch(f"/v1/jobs/{queued['id']}", json=raised).is_success
    ended(shared_live.client, queued["id"])
    found = manifest(shared_live, queued)
    assert [each["attempt"] for each in found["attempts"]] == [1, 2]
    assert found["attempts"][0] == first
    assert found["changed"] == [
        {"field": "budget.trials", "then": "8", "now": "10"},
        {"field": "environment.versions.torch", "then": "1.0", "now": now},
    ]
    # A replay is held against the attempt that the trial belongs to.
    completed = of_outcome(shared_live, queued, "completed")
    older, newer = (replayed(shared_live, queued, n) for n in (completed[0], completed[-1]))
    assert (completed[0] < 8 <= completed[-1], older["matches"], newer["matches"]) == (True,) * 3
    assert older["differences"] == [{"field": "versions.torch", "then": "1.0", "now": now}]
    assert newer["differences"] == []


def test_a_job_that_waits_has_a_manifest_without_attempts(shared_live: Live, done: Json) -> None:
    dataset = {"id": done["dataset"]}
    running = submit(shared_live.client, dataset, **ENDLESS)
    waiting = submit(shared_live.client, dataset)
    found = manifest(shared_live, waiting)
    for each in (waiting, running):
        shared_live.client.post(f"/v1/jobs/{each['id']}/cancel")
    assert (found["attempts"], found["changed"]) == ([], [])
    assert found["spec"] == waiting["spec"]


def test_completed_and_dropped_trials_match_bit_for_bit(shared_live: Live, done: Json) -> None:
    curves = shared_live.client.get(f"/v1/jobs/{done['id']}/report").json()["curves"]
    for outcome in ("completed", "dropped"):
        for number in of_outcome(shared_live, done, outcome)[:3]:
            found = replayed(shared_live, done, number)
            assert (found["job"], found["number"]) == (done["id"], number)
            assert (found["matches"], found["parts_at"], found["differences"]) == (True, None, [])
            assert found["curve"] == found["stored"]
            assert max(map(int, found["curve"])) in ({27} if outcome == "completed" else {3, 9})
    best = replayed(shared_live, done, done["best_trial"])
    assert best["stored"] in curves.values()
    assert best["stored"]["27"] == done["best_value"]


def test_another_result_says_where_it_parts_and_what_has_changed(
    shared_live: Live, done: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = manifest(shared_live, done)["attempts"]
    with shared_live.services.database.read() as connection:
        row = connection.execute(tables.jobs.select().where(tables.jobs.c.id == done["id"])).one()
    number = done["best_trial"]

    def seeded(seed: int) -> None:
        with shared_live.services.database.write() as connection:
            changed = update(tables.jobs).where(tables.jobs.c.id == done["id"])
            connection.execute(changed.values(spec=row.spec | {"seed": seed}))

    seeded(4)  # as if torch drew other numbers
    older = [{**attempts[0], "conditions": {**attempts[0]["conditions"]}}]
    environment = older[0]["conditions"]["environment"]
    older[0]["conditions"]["environment"] = environment | {"instructions": "another set"}
    try:
        change_attempts(shared_live, done, older)
        found = replayed(shared_live, done, number)
        assert (found["matches"], found["parts_at"]) == (False, 1)
        assert found["stored"]["1"] != found["curve"]["1"]
        now = environment["instructions"]
        assert found["differences"] == [
            {"field": "instructions", "then": "another set", "now": now}
        ]
        code, line = run_replay(shared_live, monkeypatch, done, number)
        assert code == 1
        assert line.startswith(f"trial {number}: parts at epoch 1 of 27: {found['stored']['1']}")
        assert line.endswith(f"instructions was another set, is {now}\n")
        change_attempts(shared_live, done, attempts)
        assert (
            "its environment is the same" in run_replay(shared_live, monkeypatch, done, number)[1]
        )
        change_attempts(shared_live, done, None)  # a job of an older version
        assert replayed(shared_live, done, number)["differences"] is None
        assert "nobody recorded" in run_replay(shared_live, monkeypatch, done, number)[1]
    finally:
        seeded(3)
        change_attempts(shared_live, done, attempts)


def run_replay(
    live: Live, monkeypatch: pytest.MonkeyPatch, job: Json, number: int, *options: str
) -> tuple[int, str]:
    """Exit code and output of the command."""
    settings = live.services.settings
    monkeypatch.setenv("FALLLINE_HOME", str(settings.home))
    monkeypatch.setenv("FALLLINE_PORT", str(settings.port))
    ran = CliRunner().invoke(cli.app, ["replay", job["id"], str(number), *options])
    return ran.exit_code, ran.stdout


def test_the_command_prints_one_line(
    shared_live: Live, done: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = done["best_trial"]
    code, line = run_replay(shared_live, monkeypatch, done, number)
    assert (code, line) == (0, f"trial {number}: the same to the last bit over 27 epochs\n")
    code, text = run_replay(shared_live, monkeypatch, done, number, "--json")
    assert (code, '"matches": true' in text) == (0, True)


def refused(answer: httpx.Response, status: int) -> Json:
    """The problem of an answer that must have this status."""
    body = problem(answer)
    assert body["status"] == status, body
    return body


def test_what_cannot_be_replayed_is_refused(shared_live: Live, done: Json) -> None:
    unknown = refused(replay(shared_live, done, 99), 404)
    assert unknown["detail"] == "There is no trial 99 in this job."
    refused(replay(shared_live, done, -1), 422)
    refused(replay(shared_live, done, 2**40), 422)
    refused(replay(shared_live, {"id": "nothing"}, 0), 404)
    endless = submit(shared_live.client, {"id": done["dataset"]}, **ENDLESS)
    training(shared_live.client, endless["id"])
    running = refused(replay(shared_live, endless, 0), 422)
    shared_live.client.post(f"/v1/jobs/{endless['id']}/cancel")
    assert running["detail"].endswith("It is running.")
    stopped = refused(replay(shared_live, endless, 0), 422)
    assert (stopped["field"], stopped["allowed"]) == ("trial", "a completed or dropped trial")
    assert stopped["detail"].endswith("It is stopped.")


def test_a_replay_that_waits_for_a_wave_is_found_when_asked_for_again(
    shared_live: Live, done: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_live.services.replays, "_wait_seconds", 0.1)
    endless = submit(shared_live.client, {"id": done["dataset"]}, **ENDLESS)
    training(shared_live.client, endless["id"])
    answer = replay(shared_live, done, done["best_trial"])
    busy = refused(answer, 503)
    assert busy["detail"].startswith("The workers are busy")
    assert answer.headers["retry-after"] == "1"
    token = shared_live.services.token.get_secret_value()
    with Client(str(shared_live.client.base_url), token) as client:
        with pytest.raises(FalllineError, match="The workers are busy"):
            client.replay(done["id"], done["best_trial"], seconds=0)
        client.cancel(endless["id"])
        assert client.replay(done["id"], done["best_trial"])["matches"]
        assert client.manifest(done["id"]) == manifest(shared_live, done)


def test_jobs_of_others_have_neither_manifest_nor_replay(shared_live: Live, done: Json) -> None:
    with shared_live.services.database.write() as connection:
        token = tokens.create(connection, owner="ann", name="test", scopes=["read", "submit"]).token
    headers = {"Authorization": f"Bearer {token}"}
    address = f"/v1/jobs/{done['id']}"
    refused(shared_live.anonymous.get(f"{address}/manifest", headers=headers), 404)
    refused(shared_live.anonymous.post(f"{address}/trials/0/replay", headers=headers), 404)
    refused(shared_live.anonymous.get(f"{address}/manifest"), 401)
    refused(shared_live.anonymous.post(f"{address}/trials/0/replay"), 401)
