"""From a ZIP of pictures to a tuned CNN, and to the script that trains it alone."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.service.conftest import Live, live_server
from tests.service.journeys import ended, submit
from tests.service.test_problems import problem
from tests.studies.scripts import alone

pytestmark = [pytest.mark.xdist_group("images_api"), pytest.mark.timeout(300)]

PICTURES = 120


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("images") / "home") as running:
        yield running


def pictures() -> bytes:
    """Digits as PNG files, in a folder for each."""
    images, labels = load_digits(return_X_y=True, n_class=3)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            if number < PICTURES:
                drawn = io.BytesIO()
                Image.fromarray((image * 15).astype(np.uint8).reshape(8, 8)).save(drawn, "PNG")
                archive.writestr(f"digits/{label}s/{number}.png", drawn.getvalue())
    return content.getvalue()


def test_pictures_are_tuned_and_explained(live: Live, tmp_path: Path) -> None:
    answer = live.client.post(
        "/v1/datasets",
        params={"name": "digits"},
        content=pictures(),
        headers={"Content-Type": "application/zip"},
    )
    assert answer.status_code == 201, answer.text
    dataset = answer.json()
    assert dataset["format"] == {"kind": "pictures"}
    image, label = dataset["columns"]
    assert (image["kind"], image["shape"]) == ("image", [8, 8, 1])
    assert {each["value"] for each in label["common"]} == {"0s", "1s", "2s"}
    assert dataset["first_rows"][0] == {"image": [8, 8, 1], "label": "0s"}

    started = submit(live.client, dataset, model={"channels": [4]}, confirmation={"seeds": 2})
    assert started["spec"]["model"]["kind"] == "cnn"
    assert started["inferred"]["model.kind"] == "'image' holds images"
    job = ended(live.client, started["id"])
    counts = job["counts"]
    assert (job["state"], counts["completed"] + counts["diverged"]) == (
        "completed",
        counts["total"],
    )

    address = f"/v1/jobs/{job['id']}/best"
    script = live.client.get(address, params={"format": "python"})
    (tmp_path / "best.py").write_text(script.text)
    text = live.client.get(f"/v1/datasets/{dataset['id']}/csv")
    (tmp_path / "data.csv").write_bytes(text.content)
    ran = alone(tmp_path / "best.py", "data.csv")
    assert ran.stderr == ""
    assert ran.returncode in {0, 1}
    assert "the stated interval" in ran.stdout

    refused = problem(live.client.get(f"/v1/jobs/{job['id']}/model"))
    assert (refused["status"], refused["field"], refused["value"]) == (409, "job", job["id"])
    assert "`best?format=python`" in refused["detail"]


def test_a_cnn_for_a_table_is_refused(live: Live) -> None:
    rows = "\n".join(f"{i % 7},{i % 2}" for i in range(60))
    headers = {"Content-Type": "text/csv"}
    params = {"name": "table"}
    content = f"x,y\n{rows}\n"
    sent = live.client.post("/v1/datasets", params=params, content=content, headers=headers)
    asked = {"dataset": sent.json()["id"], "model": {"kind": "cnn"}}
    body = problem(live.client.post("/v1/jobs", json=asked))
    assert (body["status"], body["field"], body["value"]) == (422, "model.kind", "cnn")
    assert body["allowed"] == ["linear", "mlp"]
