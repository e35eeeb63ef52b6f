"""Trials that somebody else trains: handed out, reported on, told, and lost."""

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.client import Client, FalllineError
from service.external_loop import ExternalJob, Trial
from tests.service.conftest import Live, live_server
from tests.service.journeys import Json, job, submit, table, upload, walk
from tests.service.test_problems import problem

pytestmark = pytest.mark.xdist_group("shared_live")

LOSS: Json = {"name": "loss", "direction": "minimize"}
SPACE: Json = {"optimizers": ["sgd", "adam"], "schedules": ["constant"], "batch": [32]}


@pytest.fixture
def fallline(shared_live: Live) -> Iterator[Client]:
    with client_of(shared_live) as opened:
        yield opened


def client_of(live: Live) -> Client:
    return Client(str(live.client.base_url), live.services.token.get_secret_value())


def begin(fallline: Client, **spec: Any) -> ExternalJob:
    return fallline.external(**{"metric": LOSS, "space": SPACE} | spec)


def loss(trial: Trial) -> float:
    """A bowl: the nearer the learning rate is to a thirtieth, the better."""
    return abs(math.log10(trial.config["optimizer"]["learning_rate"]) + 1.5)


def post(live: Live, path: str, body: Json, key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return live.client.post(path, json=body, headers=headers)


def test_a_job_is_gone_through_to_its_end(shared_live: Live, fallline: Client) -> None:
    study = begin(fallline, budget={"trials": 12, "epochs": 3}, name="elsewhere")
    view = fallline.job(study.id)
    assert (view["state"], view["mode"], view["dataset"]) == ("running", "external", None)
    assert (view["metric"], view["direction"], view["name"]) == ("loss", "minimize", "elsewhere")
    told = {}
    for trial in study:
        assert not trial.report(1, loss(trial) + 1)  # nobody asked for rungs
        told[trial.number] = loss(trial)
        assert trial.tell(loss(trial), {"accuracy": 0.5})["outcome"] == "completed"
    assert sorted(told) == list(range(12))

    view = fallline.job(study.id)
    assert (view["state"], view["counts"]["completed"]) == ("completed", 12)
    assert view["finished"] is not None
    best = min(told, key=lambda number: told[number])
    assert (view["best_trial"], view["best_value"]) == (best, told[best])
    answer = fallline.best(study.id)
    assert (answer["trial"], answer["value"], answer["metric"]) == (best, told[best], "loss")
    assert answer["metrics"] == {"loss": told[best], "accuracy": 0.5}
    report = fallline.report(study.id)
    assert [each["trials"] for each in report["optimizers"]]
    assert report["curves"][answer["config"]["optimizer"]["name"]] == {"1": told[best] + 1}
    trials = walk(shared_live.client, f"/v1/jobs/{study.id}/trials")
    assert [trial["value"] for trial in trials] == [told[number] for number in range(12)]
    assert shared_live.client.get(f"/v1/jobs/{study.id}/trials.csv").text.count("\n") == 13


def test_the_model_finds_what_is_best(fallline: Client) -> None:
    for trial in (study := begin(fallline, budget={"trials": 40, "epochs": 1})):
        trial.tell(loss(trial))
    assert fallline.job(study.id)["best_value"] < 0.02


def test_many_ask_at_once_and_each_is_given_its_own(shared_live: Live, fallline: Client) -> None:
    study = begin(fallline, budget={"trials": 60, "epochs": 1})
    numbers: list[int] = []

    def train() -> None:
        with client_of(shared_live) as mine:
            for trial in mine.join(study.id):
                numbers.append(trial.number)
                trial.tell(loss(trial))

    threads = [threading.Thread(target=train) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(60))
    view = fallline.job(study.id)
    assert (view["state"], view["counts"]["completed"]) == ("completed", 60)


def test_trials_that_do_worse_are_advised_to_stop(fallline: Client) -> None:
    study = begin(
        fallline, budget={"trials": 24, "epochs": 9}, rungs={"rule": "halving", "factor": 3}
    )
    dropped = 0
    for trial in study:
        assert trial.rungs in ([], [1, 3])  # defaults train to the end
        for epoch in range(1, trial.epochs + 1):
            value = loss(trial) + 1 / epoch
            if trial.report(epoch, value):
                assert epoch in {1, 3}
                break
        shown = trial.tell(value)
        stopped = epoch < trial.epochs
        assert shown["outcome"] == ("dropped" if stopped else "completed")
        assert shown["dropped_at"] == (epoch if stopped else None)
        assert shown["epochs"] == epoch
        if stopped:
            assert shown["threshold"] < shown["metrics"]["loss"]
        dropped += stopped
    assert dropped >= 8
    assert fallline.job(study.id)["counts"]["dropped"] == dropped


def test_optimizers_that_are_compared_are_rivals_of_themselves_alone(fallline: Client) -> None:
    study = begin(
        fallline,
        question="compare",
        budget={"trials": 24, "epochs": 4},
        rungs={"rule": "median"},
    )
    going: dict[str, int] = {"sgd": 0, "adam": 0}
    for trial in study:
        value = loss(trial) + (100 if trial.config["optimizer"]["name"] == "sgd" else 0)
        going[trial.config["optimizer"]["name"]] += not any(
            trial.report(at, value) for at in range(1, 5)
        )
        trial.tell(value)
    assert going["sgd"] >= 2  # all of them are worse than any of the other


def test_a_trial_whose_trainer_is_lost_is_handed_out_again(
    shared_live: Live, fallline: Client
) -> None:
    study = begin(fallline, budget={"trials": 2, "epochs": 3})
    hasty = fallline.join(study.id, lease_seconds=1)
    (lost,) = hasty.ask()
    (kept,) = study.ask()
    assert hasty.ask() == []  # the budget has two
    lost.report(1, 0.5)
    time.sleep(1.1)
    for late in (lambda: lost.report(2, 0.4), lambda: lost.tell(0.4)):
        with pytest.raises(FalllineError, match="ran out") as refused:
            late()
        assert (refused.value.problem["status"], refused.value.problem["field"]) == (409, "lease")
    (again,) = study.ask()
    assert (again.number, again.config) == (lost.number, lost.config)
    with pytest.raises(FalllineError, match="handed out again"):
        lost.tell(0.4)
    shown = fallline.report(study.id)
    assert shown["trials"] == {"running": 2}
    detail = shared_live.client.get(f"/v1/jobs/{study.id}/trials/{again.number}").json()
    assert detail["curve"] == {}  # of a training that nobody will finish
    again.tell(0.4)
    with pytest.raises(FalllineError, match="has ended"):
        again.tell(0.4)
    kept.tell(0.3)
    assert fallline.job(study.id)["state"] == "completed"


def test_a_report_keeps_a_trial(fallline: Client) -> None:
    study = begin(fallline, budget={"trials": 1, "epochs": 9})
    hasty = fallline.join(study.id, lease_seconds=2)
    (trial,) = hasty.ask()
    for epoch in range(1, 5):
        time.sleep(0.7)
        trial.report(epoch, 1.0)
    assert trial.tell(0.1)["outcome"] == "completed"


def test_what_kills_its_trainers_is_not_handed_out_for_ever(fallline: Client) -> None:
    study = begin(fallline, budget={"trials": 1, "epochs": 3})
    hasty = fallline.join(study.id, lease_seconds=1)
    for _ in range(3):
        assert len(hasty.ask()) == 1
        time.sleep(1.1)
    assert hasty.ask() == []
    view = fallline.job(study.id)
    assert (view["state"], view["counts"]["stopped"]) == ("failed", 1)
    assert "completed" in view["error"]
    (trial,) = walk(fallline._http, f"/v1/jobs/{study.id}/trials")
    assert "lease" in trial["reason"]


def test_what_cannot_be_is_refused_and_changes_nothing(shared_live: Live, fallline: Client) -> None:
    study = begin(fallline, budget={"trials": 4, "epochs": 3})
    (trial,) = post(shared_live, f"/v1/jobs/{study.id}/ask", {}).json()["trials"]
    address, lease = f"/v1/jobs/{study.id}/trials/{trial['number']}", trial["lease"]
    other = "0199b0c6-3c2e-7d41-9a55-5d1c0a7e9f10"
    for path, body, status, field in [
        ("report", {"lease": lease, "epoch": 4, "value": 0.1}, 422, "epoch"),
        ("report", {"lease": lease, "epoch": 0, "value": 0.1}, 422, "epoch"),
        ("report", {"lease": lease, "epoch": 1, "value": "nan"}, 422, "value"),
        ("report", {"lease": other, "epoch": 1, "value": 0.1}, 409, "lease"),
        ("tell", {"lease": other, "value": 0.1}, 409, "lease"),
        ("tell", {"lease": lease}, 422, None),
        ("tell", {"lease": lease, "outcome": "diverged", "value": 0.1}, 422, None),
        ("tell", {"lease": lease, "outcome": "dropped"}, 409, "outcome"),
        ("tell", {"lease": lease, "value": 0.1, "metrics": {"a": "b"}}, 422, "metrics.a"),
    ]:
        refused = problem(post(shared_live, f"{address}/{path}", body))
        assert (refused["status"], refused.get("field")) == (status, field), (path, body, refused)
    unknown = problem(
        post(shared_live, f"/v1/jobs/{study.id}/trials/3/tell", {"lease": lease, "value": 1})
    )
    assert (unknown["status"], unknown["field"]) == (404, "number")
    (shown,) = walk(shared_live.client, f"/v1/jobs/{study.id}/trials")
    assert (shown["outcome"], shown["metrics"]) == ("running", {})


def test_a_job_on_a_dataset_hands_nothing_out(shared_live: Live) -> None:
    dataset = upload(shared_live.client, table())
    managed = submit(shared_live.client, dataset, budget={"trials": 4, "epochs": 1})
    refused = problem(post(shared_live, f"/v1/jobs/{managed['id']}/ask", {}))
    assert (refused["status"], refused["field"]) == (409, "job")


@pytest.mark.parametrize(
    "what",
    ["best?format=python", "best?format=torch", "manifest", "model"],
)
def test_what_needs_a_dataset_is_refused(shared_live: Live, fallline: Client, what: str) -> None:
    study = begin(fallline, budget={"trials": 1, "epochs": 1})
    for trial in study:
        trial.tell(loss(trial))
    refused = problem(shared_live.client.get(f"/v1/jobs/{study.id}/{what}"))
    assert (refused["status"], refused["field"]) == (409, "job")
    assert "elsewhere" in refused["detail"]


def test_the_same_request_again_hands_out_the_same(shared_live: Live, fallline: Client) -> None:
    study = begin(fallline, budget={"trials": 9, "epochs": 3})
    path = f"/v1/jobs/{study.id}/ask"
    first = post(shared_live, path, {"count": 2}, key="ask-1")
    again = post(shared_live, path, {"count": 2}, key="ask-1")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json()["trials"] == again.json()["trials"]
    assert job(shared_live.client, study.id)["counts"]["running"] == 2
    trial = first.json()["trials"][0]
    tell = f"/v1/jobs/{study.id}/trials/{trial['number']}/tell"
    told = {"lease": trial["lease"], "value": 0.25}
    answers = [post(shared_live, tell, told, key="tell-1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert job(shared_live.client, study.id)["counts"]["completed"] == 1


def test_events_tell_of_each_end_once_in_whatever_order(
    shared_live: Live, fallline: Client
) -> None:
    study = begin(fallline, budget={"trials": 4, "epochs": 1})
    trials = study.ask(4)
    order = [2, 0, 3, 1]

    def train() -> None:
        for number in order:
            time.sleep(0.3)
            trials[number].tell(0.1 * number)

    thread = threading.Thread(target=train)
    thread.start()
    heard = [found["number"] for kind, found in fallline.events(study.id) if kind == "trial"]
    thread.join()
    assert heard == order


def test_an_external_job_pauses_ends_and_goes_on(shared_live: Live, fallline: Client) -> None:
    study = begin(fallline, budget={"trials": 2, "epochs": 1})
    (first,) = study.ask()
    assert fallline.pause(study.id)["state"] == "paused"
    assert study.ask() == []
    first.tell(0.5)  # what is under way may end
    assert fallline.resume(study.id)["state"] == "running"
    (second,) = study.ask()
    assert fallline.cancel(study.id)["state"] == "cancelled"
    with pytest.raises(FalllineError, match="has ended: stopped"):
        second.tell(0.4)
    assert study.ask() == []
    assert fallline.change(study.id, trials=3)["state"] == "running"
    (third,) = study.ask()
    assert third.number == 2
    third.tell(0.3)
    view = fallline.job(study.id)
    assert (view["state"], view["counts"]["completed"], view["counts"]["stopped"]) == (
        "completed",
        2,
        1,
    )
    fallline.delete_job(study.id)
    assert shared_live.client.get(f"/v1/jobs/{study.id}").status_code == 404


def test_a_clone_is_external_as_well(fallline: Client) -> None:
    study = begin(fallline, budget={"trials": 2, "epochs": 1})
    other = fallline.clone(study.id, seed=7)
    assert (other["mode"], other["spec"]["seed"]) == ("external", 7)
    (one,), (another,) = study.ask(), fallline.join(other["id"]).ask()
    assert (one.config, one.seed, another.seed) == (another.config, 0, 7)  # defaults come first


def test_external_jobs_outlive_their_server_and_no_runner_takes_them(tmp_path: Path) -> None:
    with live_server(tmp_path / "home") as live, client_of(live) as fallline:
        study = begin(fallline, budget={"trials": 3, "epochs": 3})
        first, second = study.ask(2)
        first.tell(0.5)
        second.report(1, 0.9)
        address, identity = second._address, {"lease": second._lease, "value": 0.2}
    with live_server(tmp_path / "home") as live, client_of(live) as fallline:
        # A managed job runs besides: the external one takes up nothing of what its owner may run.
        managed = submit(
            live.client, upload(live.client, table()), budget={"trials": 4, "epochs": 1}
        )
        assert live.client.post(f"{address}/tell", json=identity).status_code == 200
        rest = [trial.number for trial in (fallline.join(study.id)) if trial.tell(0.1)]
        assert rest == [2]
        assert job(live.client, study.id)["state"] == "completed"
        deadline = time.monotonic() + 60
        while job(live.client, managed["id"])["state"] != "completed":
            assert time.monotonic() < deadline
            time.sleep(0.1)
