from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
import yaml
from optuna.trial import TrialState

from optimizers.configuration import Configuration
from optimizers.torch_export import load
from service import jobs, tokens
from tests import datasets as tables
from tests.service.conftest import Live, live_server
from tests.service.databases import optunas_own
from tests.service.journeys import (
    ENDLESS,
    SMALL,
    Json,
    contents,
    ended,
    job,
    submit,
    table,
    training,
    upload,
    walk,
)
from tests.service.test_problems import problem
from tests.studies.scripts import alone

pytestmark = [pytest.mark.xdist_group("jobs_api"), pytest.mark.timeout(300)]

STATES = {
    "completed": TrialState.COMPLETE,
    "dropped": TrialState.PRUNED,
    "diverged": TrialState.PRUNED,
    "stopped": TrialState.FAIL,
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with nobody's jobs but ours."""
    with live_server(tmp_path_factory.mktemp("jobs") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def dataset(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Json:
    file = tables.wine(tmp_path_factory.mktemp("files") / "wine.csv", imperfect=True)
    return upload(live.client, file, target="target")


@pytest.fixture(scope="module")
def done(live: Live, dataset: Json) -> Json:
    """A job that has come to its end; some of its trials diverged, some were dropped."""
    space = SMALL["space"] | {"optimizers": ["sgd", "adam", "adagrad"]}
    space |= {"learning_rate": {"low": 1e-3, "high": 1e3}}
    submitted = submit(
        live.client,
        dataset,
        space=space,
        budget={"trials": 30, "epochs": 18},
        sampler="random",
        rungs={"rule": "halving"},
    )
    view = ended(live.client, submitted["id"])
    assert view["state"] == "completed", view
    return view


@pytest.fixture
def unchanged(live: Live, dataset: Json) -> Iterator[None]:
    """Sees that nothing is left of what the test sends."""
    before = contents(live.services)
    yield
    assert contents(live.services) == before


def test_what_was_left_open_is_inferred_and_shown(live: Live, dataset: Json) -> None:
    spec = {"dataset": dataset["id"], "budget": {"trials": 1, "epochs": 1}}
    answer = live.client.post("/v1/jobs", json=spec)
    assert answer.status_code == 201
    view = answer.json()
    assert view["inferred"].keys() == {"task", "metric", "space.batch"}
    assert all(len(why) > 10 for why in view["inferred"].values())
    assert (view["spec"]["target"], view["spec"]["task"]) == ("target", "classification")
    assert (view["metric"], view["direction"]) == ("log_loss", "minimize")
    assert view["spec"]["space"]["batch"] == ["full", 32, "single"]
    assert None not in (view["spec"]["target"], view["spec"]["task"], view["spec"]["metric"])
    # A row without a target cannot be learned from: it is counted.
    (dropped,) = [warning for warning in view["warnings"] if "'target'" in warning]
    assert " 1" in dropped
    assert (view["best_value"], view["error"], view["finished"]) == (None, None, None)
    ended(live.client, view["id"])


def test_what_was_given_is_not_inferred(live: Live, dataset: Json) -> None:
    view = submit(
        live.client, dataset, target="alcohol", task="regression", metric="mae", seed=7,
        sampler="random",
    )  # fmt: skip
    assert view["inferred"] == {}
    assert (view["metric"], view["direction"]) == ("mae", "minimize")
    spec = view["spec"]
    assert spec["space"] == SMALL["space"] | {"learning_rate": None}
    assert (spec["target"], spec["seed"], spec["sampler"]) == ("alcohol", 7, "random")
    final = ended(live.client, view["id"])
    assert (final["state"], final["spec"]) == ("completed", spec)


def test_a_job_tells_how_far_it_is(done: Json) -> None:
    counts = done["counts"]
    assert (counts["total"], counts["running"], counts["stopped"]) == (30, 0, 0)
    assert counts["completed"] + counts["dropped"] + counts["diverged"] == 30
    assert counts["completed"] >= 5
    assert counts["dropped"] >= 1
    assert counts["diverged"] >= 1
    assert done["waves"] == 4
    assert done["created"] <= done["started"] <= done["finished"]
    assert (done["seconds_left"], done["error"]) == (None, None)
    assert done["seconds"] > 0
    assert done["best_value"] is not None


@pytest.mark.parametrize("descending", [False, True])
def test_trials_can_be_sorted_by_value(live: Live, done: Json, descending: bool) -> None:
    address = f"/v1/jobs/{done['id']}/trials"
    found = walk(live.client, address, sort="value", descending=descending)
    values = [trial["value"] for trial in found if trial["value"] is not None]
    assert values == sorted(values, reverse=descending)
    assert len(values) == done["counts"]["completed"]
    # Those without a value come last either way.
    assert all(trial["value"] is None for trial in found[len(values) :])
    assert sorted(trial["number"] for trial in found) == list(range(30))


@pytest.mark.parametrize("sort", ["number", "value", "duration"])
@pytest.mark.parametrize("limit", [1, 7, 29, 30, 1000])
def test_pages_of_trials_walk_every_trial_once(
    live: Live, done: Json, sort: str, limit: int
) -> None:
    address = f"/v1/jobs/{done['id']}/trials"
    found = walk(live.client, address, sort=sort, limit=limit)
    assert found == walk(live.client, address, sort=sort)
    assert sorted(trial["number"] for trial in found) == list(range(30))


def test_trials_can_be_chosen_by_outcome(live: Live, done: Json) -> None:
    address = f"/v1/jobs/{done['id']}/trials"
    for outcome in ("completed", "dropped", "diverged", "stopped", "running"):
        found = walk(live.client, address, outcome=outcome)
        assert len(found) == done["counts"][outcome]
        assert {trial["outcome"] for trial in found} <= {outcome}
    both = walk(live.client, address, outcome=["completed", "diverged"])
    assert len(both) == 30 - done["counts"]["dropped"]


def test_a_trial_tells_what_was_tried_and_what_came_of_it(live: Live, done: Json) -> None:
    for trial in walk(live.client, f"/v1/jobs/{done['id']}/trials"):
        configuration = Configuration.from_dict(trial["config"])
        assert configuration.as_dict() == trial["config"]
        assert configuration.optimizer in {"sgd", "adam", "adagrad"}
        if trial["outcome"] == "completed":
            assert trial["metrics"]["log_loss"] == trial["value"]
            assert 0 <= trial["metrics"]["accuracy"] <= 1
            assert trial["diverged_at"] is None
            continue
        assert trial["value"] is None
        assert (trial["diverged_at"] is None) == (trial["outcome"] == "dropped")
        if trial["outcome"] == "dropped":
            assert trial["metrics"]["log_loss"] > trial["threshold"]
            assert trial["dropped_at"] < 18


def test_the_best_carries_all_that_is_needed_to_use_it(live: Live, done: Json) -> None:
    best = live.client.get(f"/v1/jobs/{done['id']}/best").json()
    trials = walk(live.client, f"/v1/jobs/{done['id']}/trials", sort="value")
    first = trials[0]
    assert (best["job"], best["metric"], best["direction"]) == (done["id"], "log_loss", "minimize")
    assert (best["value"], best["trial"]) == (first["value"], first["number"])
    assert (best["value"], best["trial"]) == (done["best_value"], done["best_trial"])
    assert (best["config"], best["metrics"]) == (first["config"], first["metrics"])
    names = [row["optimizer"] for row in best["optimizers"]]
    assert sorted(names) == ["adagrad", "adam", "sgd"]
    assert best["optimizers"][0]["best"] == first
    values = [row["best"]["value"] for row in best["optimizers"] if row["best"]]
    assert values == sorted(values)
    of = Counter(trial["config"]["optimizer"]["name"] for trial in trials)
    assert {row["optimizer"]: row["trials"] for row in best["optimizers"]} == of
    for outcome in ("dropped", "diverged"):
        assert sum(row[outcome] for row in best["optimizers"]) == done["counts"][outcome]


def test_the_best_is_served_as_a_script_that_trains_it(
    live: Live, done: Json, tmp_path: Path
) -> None:
    best = live.client.get(f"/v1/jobs/{done['id']}/best").json()
    answer = live.client.get(f"/v1/jobs/{done['id']}/best", params={"format": "python"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/x-python; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="best.py"'
    script = tmp_path / "best.py"
    script.write_bytes(answer.content)
    ran = alone(script, str(tables.wine(tmp_path / "wine.csv", imperfect=True)))
    assert (ran.returncode, ran.stderr) == (0, "")
    *epochs, _, verdict = ran.stdout.splitlines()
    metrics = best["metrics"]
    scores = f"log_loss {metrics['log_loss']:.4g}, accuracy {metrics['accuracy']:.4g}"
    assert epochs[-1] == f"epoch 18: validation {scores}"
    assert verdict.startswith("test log_loss ")


def test_the_best_comes_as_yaml(live: Live, done: Json) -> None:
    address = f"/v1/jobs/{done['id']}/best"
    answer = live.client.get(address, params={"format": "yaml"})
    assert answer.headers["content-type"].partition(";")[0] == "application/yaml"
    assert answer.headers["content-disposition"] == 'attachment; filename="best.yaml"'
    asked = live.client.get(address, params={"format": "json"}).json()
    assert yaml.safe_load(answer.text) == asked == live.client.get(address).json()


def test_the_best_comes_as_an_optimizer_for_any_model(live: Live, done: Json) -> None:
    config = live.client.get(f"/v1/jobs/{done['id']}/best").json()["config"]
    answer = live.client.get(f"/v1/jobs/{done['id']}/best", params={"format": "torch"})
    assert answer.headers["content-type"] == "text/x-python; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="best_optimizer.py"'
    model = torch.nn.Linear(3, 2)
    optimizer, scheduler = load(answer.text).configure(model)
    assert optimizer.param_groups[0]["params"] == list(model.parameters())
    assert scheduler.base_lrs == [config["optimizer"]["learning_rate"]]
    # 177 rows with a target, of which 112 train, 16 a step: 7 steps in each of 18 epochs.
    assert f"total_steps: int = {18 * 7})" in answer.text


def test_another_format_is_refused(live: Live, done: Json) -> None:
    address = f"/v1/jobs/{done['id']}/best"
    body = problem(live.client.get(address, params={"format": "xml"}))
    assert (body["status"], body["field"], body["value"]) == (422, "format", "xml")
    assert body["allowed"] == "'json', 'yaml', 'python' or 'torch'"


def test_a_report_has_curves_progress_and_importance(live: Live, done: Json) -> None:
    report = live.client.get(f"/v1/jobs/{done['id']}/report").json()
    best = live.client.get(f"/v1/jobs/{done['id']}/best").json()
    assert report["best"]["number"] == best["trial"]
    assert report["optimizers"] == best["optimizers"]
    counted = {name: n for name, n in done["counts"].items() if n and name != "total"}
    assert report["trials"] == counted
    for row in report["optimizers"]:
        curve = report["curves"][row["optimizer"]]
        assert list(curve) == [str(epoch) for epoch in range(1, 19)]
        assert curve["18"] == row["best"]["value"]
    values = [value for _, value in report["progress"]]
    assert values == sorted(values, reverse=True)
    assert report["progress"][-1] == [best["trial"], best["value"]]
    shares = report["importance"]["choices"]
    assert report["importance"]["trials"] == 30
    assert {one["choice"] for one in shares} == {
        "optimizer",
        "learning_rate",
        "schedule",
        "others",
    }  # one batch size leaves no choice
    assert shares[0]["choice"] == "learning_rate"
    assert report["importance"]["seed"] is None
    front = report["pareto"]
    assert front[0]["number"] == best["trial"]
    sizes = {one["optimizer"]: one["state_bytes"] for one in front}
    assert sizes.get("sgd", 0) == 0
    assert all(size > 0 for name, size in sizes.items() if name != "sgd")
    for row in report["optimizers"]:
        said = report["sensitivity"][row["optimizer"]]
        found = row["best"]["config"]["optimizer"]["learning_rate"]
        assert said["learning_rate"] == pytest.approx(found)
        assert len(said["points"]) == row["trials"]
        assert sum(p["outcome"] == "diverged" for p in said["points"]) == row["diverged"]
        assert row["troubles"].get("blow_up", 0) == row["diverged"]


def test_optuna_reads_the_trials_that_the_api_shows(live: Live, done: Json) -> None:
    with optunas_own(live.services.database.url) as storage:
        study = optuna.load_study(study_name=done["study"], storage=storage)
        seen = study.trials
        best = study.best_trial
    shown = walk(live.client, f"/v1/jobs/{done['id']}/trials")
    report = live.client.get(f"/v1/jobs/{done['id']}/report").json()
    assert study.direction.name.lower() == done["direction"]
    assert best.number == done["best_trial"]
    assert study.user_attrs["job"] == done["id"]
    for trial, api in zip(seen, shown, strict=True):
        assert (trial.number, trial.state) == (api["number"], STATES[api["outcome"]])
        assert trial.values == (None if api["value"] is None else [api["value"]])
        config = api["config"]
        optimizer, schedule = config["optimizer"], config["schedule"]
        assert trial.params["optimizer"] == optimizer["name"]
        assert trial.params["schedule"] == schedule["name"]
        assert trial.params["batch"] == config["batch"]
        for name, value in trial.params.items():
            owner, _, what = name.rpartition(".")
            if what.startswith("1-"):
                assert 1 - optimizer[what[2:]] == pytest.approx(value)
            elif owner == schedule["name"] or what == "warmup":
                assert schedule[what] == value
            elif owner:
                assert optimizer[what] == value
        assert trial.user_attrs["metrics"] == api["metrics"]
        if api["outcome"] == "completed":
            assert list(trial.intermediate_values) == list(range(1, 19))
            assert trial.intermediate_values[18] == api["value"]
            assert trial.duration is not None
        if api["outcome"] == "dropped":
            assert max(trial.intermediate_values) == api["dropped_at"]
    for name, row in zip(report["curves"], report["optimizers"], strict=False):
        curve = seen[row["best"]["number"]].intermediate_values
        assert report["curves"][row["optimizer"]] == {str(k): v for k, v in curve.items()}, name


def test_a_queued_job_can_be_cancelled(live: Live, dataset: Json) -> None:
    running = submit(live.client, dataset, **ENDLESS)
    training(live.client, running["id"])
    waiting = submit(live.client, dataset)
    assert job(live.client, waiting["id"])["state"] == "queued"
    cancelled = live.client.post(f"/v1/jobs/{waiting['id']}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert cancelled["finished"] is not None
    assert cancelled["started"] is None
    assert walk(live.client, f"/v1/jobs/{waiting['id']}/trials") == []
    assert job(live.client, running["id"])["state"] == "running"
    live.client.post(f"/v1/jobs/{running['id']}/cancel")
    # It is not taken up later either.
    ended(live.client, submit(live.client, dataset)["id"])
    assert job(live.client, waiting["id"]) == cancelled


def test_a_running_job_can_be_cancelled(live: Live, dataset: Json) -> None:
    running = submit(live.client, dataset, **ENDLESS)
    training(live.client, running["id"])
    answer = live.client.post(f"/v1/jobs/{running['id']}/cancel")
    assert answer.status_code == 200
    cancelled = answer.json()
    assert (cancelled["state"], cancelled["counts"]["running"]) == ("cancelled", 0)
    assert cancelled["counts"]["stopped"] > 0
    found = walk(live.client, f"/v1/jobs/{running['id']}/trials")
    assert {trial["outcome"] for trial in found} <= {"stopped", "completed", "diverged"}
    ended(live.client, submit(live.client, dataset)["id"])
    assert job(live.client, running["id"]) == cancelled
    assert walk(live.client, f"/v1/jobs/{running['id']}/trials") == found


def test_a_job_that_has_ended_cannot_be_cancelled(live: Live, done: Json) -> None:
    body = problem(live.client.post(f"/v1/jobs/{done['id']}/cancel"))
    assert (body["status"], body["field"], body["value"]) == (409, "state", "completed")
    assert body["allowed"] == ["queued", "running", "paused"]
    assert job(live.client, done["id"]) == done


def test_a_job_whose_trials_all_diverge_has_failed_and_has_no_best(
    live: Live, dataset: Json
) -> None:
    space = SMALL["space"] | {"optimizers": ["sgd"], "learning_rate": {"low": 1e30, "high": 1e33}}
    view = ended(live.client, submit(live.client, dataset, space=space)["id"])
    assert view["state"] == "failed"
    assert "lower the learning rates" in view["error"]
    assert view["counts"]["diverged"] == 8
    body = problem(live.client.get(f"/v1/jobs/{view['id']}/best"))
    assert (body["status"], body["field"]) == (409, "job")
    report = live.client.get(f"/v1/jobs/{view['id']}/report").json()
    assert (report["best"], report["curves"], report["trials"]) == (None, {}, {"diverged": 8})


@pytest.mark.parametrize(
    ("spec", "field", "value", "detail"),
    [
        ({"target": "nothing"}, "target", "nothing", "target must be among"),
        ({"target": "alcohool"}, "target", "alcohool", "Did you mean 'alcohol'"),
        ({"space": {"optimizers": ["adamm"]}}, "space.optimizers", "adamm", "Did you mean 'adam'"),
        ({"space": {"schedules": ["cosin"]}}, "space.schedules", "cosin", "mean 'cosine'"),
        ({"space": {"optimizers": ["sgd"] * 2}}, "space.optimizers", "sgd", "more than once"),
        ({"space": {"optimizers": "classy"}}, "space.optimizers", "classy", "'all' or 'classic'"),
        ({"space": {"batch": [5000]}}, "space.batch", 5000, "up to 112"),
        ({"colour": "blue"}, "colour", "blue", "not permitted"),
        ({"budget": {"trial": 3}}, "budget.trial", 3, "not permitted"),
        ({"budget": {"trials": -3}}, "budget.trials", -3, "greater than or equal to 1"),
        ({"budget": {"seconds": -1}}, "budget.seconds", -1, "greater than 0"),
        ({"budget": {"epochs": 0}}, "budget.epochs", 0, "greater than or equal to 1"),
        ({"budget": "lots"}, "budget", "lots", "valid dictionary"),
        ({"budget": {"trials": "ten"}}, "budget.trials", "ten", "a number"),
        ({"metric": "rmse"}, "metric", "rmse", "log_loss, accuracy for classification"),
        ({"target": "alcohol", "metric": "accuracy"}, "metric", "accuracy", "rmse, mae, r2"),
        ({"metric": "auc"}, "metric", "auc", "'log_loss'"),
        ({"task": "regression", "target": "region"}, "task", "regression", "numeric target"),
        (
            {"space": {"learning_rate": {"low": 0.1, "high": 0.1}}},
            "space.learning_rate",
            {"low": 0.1, "high": 0.1},
            "low must be below high",
        ),
        ({"space": {"learning_rate": 3}}, "space.learning_rate", 3, "valid dictionary"),
        ({"model": {"hidden": "wide"}}, "model.hidden", "wide", "valid list"),
        ({"seed": 1.5}, "seed", 1.5, "valid integer"),
        ({"sampler": None}, "sampler", None, "'model', 'tpe', 'sobol' or 'random'"),
        ({"dataset": 3}, "dataset", 3, "valid string"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_a_spec_that_makes_no_sense_is_refused(
    live: Live, dataset: Json, spec: Json, field: str, value: Any, detail: str
) -> None:
    body = problem(live.client.post("/v1/jobs", json={"dataset": dataset["id"]} | spec))
    assert (body["status"], body["type"]) == (422, "/problems/invalid")
    assert (body["field"], body.get("value")) == (field, value)
    assert detail in body["detail"]


@pytest.mark.usefixtures("unchanged")
def test_a_spec_needs_a_dataset(live: Live) -> None:
    body = problem(live.client.post("/v1/jobs", json={}))
    assert (body["status"], body["field"]) == (422, "dataset")


@pytest.mark.parametrize("dataset_id", ["nothing", "0" * 36, "", "\0", "é", "x" * 5000])
@pytest.mark.usefixtures("unchanged")
def test_an_unknown_dataset_is_not_found(live: Live, dataset_id: str) -> None:
    body = problem(live.client.post("/v1/jobs", json={"dataset": dataset_id}))
    assert (body["status"], body["type"], body["field"]) == (404, "/problems/not-found", "dataset")


def test_a_table_that_cannot_be_learned_from_is_refused(live: Live) -> None:
    one_class = b"size,kind\n" + b"".join(b"%d.5,a\n" % (row % 7) for row in range(60))
    no_features = b"nothing,kind\n" + b"".join(b",%d\n" % (row % 3) for row in range(60))
    for content, detail in (
        (one_class, "one value only and needs at least two"),
        (no_features, "no column is left to predict 'kind' from; left out: 'nothing' (empty)"),
        (table(19), "has a value in 19 rows; a study needs at least 20"),
    ):
        uploaded = upload(live.client, content)
        before = contents(live.services)
        spec = {"dataset": uploaded["id"], "target": "kind"}
        body = problem(live.client.post("/v1/jobs", json=spec))
        assert (body["status"], body["field"]) == (422, "target")
        assert detail in body["detail"]
        assert body["allowed"] is not None
        assert contents(live.services) == before


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400), (b"", 422), (b"null", 422), (b"[]", 422), (b'"text"', 422), (b"3", 422),
        (b"{'dataset': 1}", 400), (b'{"dataset": "x", "seed": NaN}', 422), (b"\xff\xfe", 400),
        (b'{"dataset": "\\ud800"}', 422), (b"[" * 50_000, 400),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unchanged")
def test_what_is_no_spec_is_refused(live: Live, content: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    body = problem(live.client.post("/v1/jobs", content=content, headers=headers))
    assert body["status"] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Host": "127.0.0.1.evil.example"}, 400),
        ({"Authorization": "Bearer fall_wrong"}, 401),
        ({"Authorization": "Bearer"}, 401),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_strangers_are_refused(
    live: Live, dataset: Json, headers: dict[str, str], status: int
) -> None:
    answer = live.client.post("/v1/jobs", json={"dataset": dataset["id"]}, headers=headers)
    assert problem(answer)["status"] == status


@pytest.mark.parametrize(
    ("address", "params", "field"),
    [
        ("/v1/jobs", {"limit": 0}, "limit"),
        ("/v1/jobs", {"limit": 1001}, "limit"),
        ("/v1/jobs", {"limit": "1e2"}, "limit"),
        ("/v1/jobs", {"cursor": "zzz"}, "cursor"),
        ("/v1/jobs", {"state": "asleep"}, "state.0"),
        ("TRIALS", {"limit": 0}, "limit"),
        ("TRIALS", {"limit": 1001}, "limit"),
        ("TRIALS", {"cursor": "zzz"}, "cursor"),
        ("TRIALS", {"cursor": "é"}, "cursor"),
        ("TRIALS", {"sort": "luck"}, "sort"),
        ("TRIALS", {"outcome": "lucky"}, "outcome.0"),
        ("TRIALS", {"descending": "perhaps"}, "descending"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_a_bad_page_is_refused(
    live: Live, done: Json, address: str, params: Json, field: str
) -> None:
    address = address.replace("TRIALS", f"/v1/jobs/{done['id']}/trials")
    body = problem(live.client.get(address, params=params))
    assert (body["status"], body["field"]) == (422, field)
    assert body["value"] == str(next(iter(params.values())))
    assert body["allowed"]


def test_a_cursor_belongs_to_its_order(live: Live, done: Json) -> None:
    address = f"/v1/jobs/{done['id']}/trials"
    cursor = live.client.get(address, params={"sort": "value", "limit": 2}).json()["next"]
    body = problem(live.client.get(address, params={"sort": "number", "cursor": cursor}))
    assert (body["status"], body["field"]) == (422, "cursor")
    assert "sorted by value" in body["detail"]


@pytest.mark.parametrize("part", ["", "/trials", "/best", "/report"])
@pytest.mark.parametrize("job_id", ["nothing", "0" * 36, "%00", "é"])
def test_an_unknown_job_is_not_found(live: Live, job_id: str, part: str) -> None:
    body = problem(live.client.get(f"/v1/jobs/{job_id}{part}"))
    assert (body["status"], body["type"]) == (404, "/problems/not-found")
    assert problem(live.client.post(f"/v1/jobs/{job_id}/cancel"))["status"] == 404


def test_jobs_of_others_are_not_found(live: Live, done: Json, dataset: Json) -> None:
    with live.services.database.write() as connection:
        token = tokens.create(connection, owner="ann", name="test", scopes=["read", "submit"]).token
    headers = {"Authorization": f"Bearer {token}"}
    for part in ("", "/trials", "/best", "/report"):
        answer = live.anonymous.get(f"/v1/jobs/{done['id']}{part}", headers=headers)
        assert problem(answer)["status"] == 404
    answer = live.anonymous.post(f"/v1/jobs/{done['id']}/cancel", headers=headers)
    assert problem(answer)["status"] == 404
    spec = {"dataset": dataset["id"]}
    assert live.anonymous.post("/v1/jobs", json=spec, headers=headers).status_code == 404
    assert live.anonymous.get("/v1/jobs", headers=headers).json() == {"items": [], "next": None}


def test_a_list_walks_every_job_once_newest_first(live: Live, dataset: Json, done: Json) -> None:
    spec = {"dataset": dataset["id"], "budget": {"trials": 1, "epochs": 1}}
    made = [live.client.post("/v1/jobs", json=spec).json()["id"] for _ in range(4)]
    for job_id in made:
        ended(live.client, job_id)
    everything = walk(live.client, "/v1/jobs")
    ids = [view["id"] for view in everything]
    assert ids[:4] == made[::-1]
    assert len(set(ids)) == len(ids)
    assert done["id"] in ids
    for limit in (1, 3, 1000):
        assert walk(live.client, "/v1/jobs", limit=limit) == everything
    for state in ("completed", "cancelled", "running"):
        expected = [view for view in everything if view["state"] == state]
        assert walk(live.client, "/v1/jobs", state=state, limit=2) == expected
    both = [view for view in everything if view["state"] in {"failed", "completed"}]
    assert walk(live.client, "/v1/jobs", state=["failed", "completed"]) == both


def test_a_job_waits_its_turn(live: Live, dataset: Json, tmp_path: Path) -> None:
    first = submit(live.client, dataset, **ENDLESS)
    training(live.client, first["id"])
    second = submit(live.client, dataset)
    with live.services.database.read() as connection:
        waiting, _ = jobs.page(connection, tokens.LOCAL_OWNER, jobs.Filter(["queued"]), limit=10)
    assert [row.id for row in waiting] == [second["id"]]
    live.client.post(f"/v1/jobs/{first['id']}/cancel")
    assert ended(live.client, second["id"])["state"] == "completed"
