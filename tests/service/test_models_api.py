"""The network of a job's best configuration, over HTTP."""

import csv
import io
import json
import runpy
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pytest
from sqlalchemy import update

from service import tables
from service.client import Client
from tests import datasets
from tests.service.conftest import Live
from tests.service.journeys import ENDLESS, SMALL, Json, ended, submit, training, upload
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return datasets.wine(tmp_path_factory.mktemp("models") / "wine.csv", imperfect=True)


@pytest.fixture(scope="module")
def dataset(shared_live: Live, file: Path) -> Json:
    return upload(shared_live.client, file, target="target", name="wine")


@pytest.fixture(scope="module")
def confirmed(shared_live: Live, dataset: Json) -> Json:
    budget = {"trials": 10, "epochs": 6}
    job = submit(shared_live.client, dataset, budget=budget, confirmation={"seeds": 3})
    return ended(shared_live.client, job["id"])


def get(live: Live, job: Json, form: str = "safetensors") -> httpx.Response:
    return live.client.get(f"/v1/jobs/{job['id']}/model", params={"format": form})


def unpacked(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archived:
        return {name: archived.read(name) for name in archived.namelist()}


def report(live: Live, job: Json) -> Json:
    found: Json = live.client.get(f"/v1/jobs/{job['id']}/report").json()
    return found


def card(files: dict[str, bytes]) -> str:
    return files["README.md"].decode()


def test_the_network_is_a_run_of_the_confirmation(shared_live: Live, confirmed: Json) -> None:
    answer = get(shared_live, confirmed)
    assert answer.headers["content-disposition"] == 'attachment; filename="model-safetensors.zip"'
    files, found = unpacked(answer), report(shared_live, confirmed)
    text = card(files)
    number = found["best"]["number"]
    run = found["confirmation"]["runs"][str(number)][0]
    assert f"Trial {number} of the study, trained from seed {run['seed']}" in text
    scores = " | ".join(f"{run['test'][name]:.6g}" for name in ("log_loss", "accuracy"))
    assert f"| test rows | {scores} |" in text
    assert "those of the study to the last bit" in text
    (finalist,) = [each for each in found["verdict"]["finalists"] if each["number"] == number]
    low, high = finalist["interval"]
    assert f"{finalist['mean']:.6g}, 95 % interval {low:.6g} to {high:.6g}" in text
    assert get(shared_live, confirmed).content == answer.content


def test_onnx_predicts_the_rows_that_were_uploaded(
    shared_live: Live, confirmed: Json, file: Path, tmp_path: Path
) -> None:
    answer = get(shared_live, confirmed, "onnx")
    assert answer.headers["content-disposition"] == 'attachment; filename="model-onnx.zip"'
    files = unpacked(answer)
    (tmp_path / "preprocess.py").write_bytes(files["preprocess.py"])
    encode = runpy.run_path(str(tmp_path / "preprocess.py"))["encode"]
    how = json.loads(files["preprocessing.json"])
    with file.open(newline="") as text:
        rows: list[Any] = [row for row in csv.DictReader(text) if row["target"]]
    session = onnxruntime.InferenceSession(files["model.onnx"])
    inputs = np.array([encode(row, how) for row in rows], dtype=np.float32)
    (probabilities,) = session.run(None, {"inputs": inputs})
    classes = [how["target"]["classes"][each] for each in probabilities.argmax(1)]
    right = np.mean([each == row["target"] for each, row in zip(classes, rows, strict=True)])
    run = report(shared_live, confirmed)["confirmation"]["runs"]
    accuracies = [each[0]["test"]["accuracy"] for each in run.values()]
    assert right >= min(accuracies) - 0.1  # most of these rows it was trained on
    assert right > 0.6


def test_without_a_confirmation_the_trial_itself_is_trained(
    shared_live: Live, dataset: Json
) -> None:
    job = ended(shared_live.client, submit(shared_live.client, dataset, seed=9)["id"])
    text = card(unpacked(get(shared_live, job)))
    assert f"Trial {job['best_trial']} of the study, trained from seed 9" in text
    assert "The study confirmed nothing" in text
    assert "those of the study to the last bit" in text
    scores = report(shared_live, job)["best"]["metrics"]
    named = " | ".join(f"{scores[name]:.6g}" for name in ("log_loss", "accuracy"))
    assert f"| validation rows | {named} |" in text


def test_what_has_changed_since_is_said(shared_live: Live, confirmed: Json) -> None:
    found = report(shared_live, confirmed)
    runs = found["confirmation"]["runs"]
    was = tables.jobs.c.id == confirmed["id"]

    def first_of_each(**changed: Any) -> None:
        """Change what is stored of the first run of every finalist."""
        others = {number: [each[0] | changed, *each[1:]] for number, each in runs.items()}
        stored = found["confirmation"] | {"runs": others}
        with shared_live.services.database.write() as connection:
            again = tables.jobs.c.attempt + 1  # or a report that was made before would do
            connection.execute(
                update(tables.jobs).where(was).values(confirmation=stored, attempt=again)
            )

    try:
        first_of_each(validation={"loss": 1.0, "log_loss": 1.0, "accuracy": 0.5})
        assert "has changed since" in card(unpacked(get(shared_live, confirmed)))
        # A run that diverged is not handed out: the next one is.
        first_of_each(outcome="diverged", validation={}, test={})
        text = card(unpacked(get(shared_live, confirmed)))
        assert f"trained from seed {found['confirmation']['seeds'][1]}" in text
        assert "to the last bit: something" not in text
    finally:
        first_of_each()


def test_a_model_that_waits_for_a_wave_is_found_when_asked_for_again(
    shared_live: Live, confirmed: Json, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shared_live.services.replays, "_wait_seconds", 0.1)
    endless = submit(shared_live.client, {"id": confirmed["dataset"]}, **ENDLESS)
    training(shared_live.client, endless["id"])
    answer = get(shared_live, confirmed)
    assert problem(answer)["status"] == 503
    assert answer.headers["retry-after"] == "1"
    token = shared_live.services.token.get_secret_value()
    with Client(str(shared_live.client.base_url), token) as client:
        client.cancel(endless["id"])
        saved = client.export(confirmed["id"], "onnx", tmp_path / "model.zip")
    with zipfile.ZipFile(saved) as archived:
        assert "model.onnx" in archived.namelist()


def test_without_a_trial_there_is_no_model(shared_live: Live, dataset: Json) -> None:
    job = submit(shared_live.client, dataset, **SMALL | ENDLESS)
    shared_live.client.post(f"/v1/jobs/{job['id']}/cancel")
    body = problem(get(shared_live, job))
    assert (body["status"], body["field"]) == (409, "job")
    assert body["detail"].startswith("No trial has completed yet")


def test_what_is_not_there_has_no_model(shared_live: Live, confirmed: Json) -> None:
    assert problem(get(shared_live, {"id": "nothing"}))["status"] == 404
    body = problem(get(shared_live, confirmed, "pickle"))
    assert (body["status"], body["field"], body["value"]) == (422, "format", "pickle")
    assert body["allowed"] == "'safetensors' or 'onnx'"
