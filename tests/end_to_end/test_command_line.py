import json
import signal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.datasets import DATASETS
from tests.end_to_end.conftest import Machine

pytestmark = [pytest.mark.xdist_group("command_line"), pytest.mark.timeout(300)]

TARGETS = {"breast_cancer": "diagnosis", "wine": "target", "diabetes": "progression"}
TUNE = ("--trials", "24", "--epochs", "10", "--optimizer", "adam", "--optimizer", "momentum")


def test_the_answer_for_a_classification_is_far_better_than_the_commonest_class(
    running_machine: Machine, tmp_path: Path
) -> None:
    for name in ("breast_cancer", "wine"):
        file = DATASETS[name](tmp_path / f"{name}.csv", imperfect=True)
        command = ("tune", file, "--target", TARGETS[name], *TUNE, "--json")
        found = running_machine.run(*command)
        assert found.returncode == 0, found.stderr
        best: dict[str, Any] = json.loads(found.stdout)
        commonest = pd.read_csv(file)[TARGETS[name]].value_counts(normalize=True).iloc[0]
        assert best["metrics"]["accuracy"] > (1 + commonest) / 2
        assert best["metrics"]["accuracy"] > 0.9
        assert best["value"] == best["metrics"]["log_loss"] < 0.4
        assert best["config"]["optimizer"]["name"] in {"adam", "momentum"}
        assert 1e-5 < best["config"]["optimizer"]["learning_rate"] <= 1
        assert {row["optimizer"]: row["trials"] for row in best["optimizers"]}.keys() == {
            "adam", "momentum",
        }  # fmt: skip
        assert sum(row["trials"] for row in best["optimizers"]) == 24


def test_the_answer_for_a_regression_is_far_better_than_the_mean(
    running_machine: Machine, tmp_path: Path
) -> None:
    file = DATASETS["diabetes"](tmp_path / "diabetes.csv", imperfect=True)
    command = ("tune", file, "--target", TARGETS["diabetes"], *TUNE, "--json")
    found = running_machine.run(*command)
    assert found.returncode == 0, found.stderr
    best = json.loads(found.stdout)
    spread = pd.read_csv(file)["progression"].std()
    assert (best["metric"], best["direction"]) == ("rmse", "minimize")
    assert 30 < best["value"] < 0.85 * spread
    assert best["metrics"]["r2"] > 0.25
    assert best["metrics"]["mae"] < best["value"]


def test_people_see_the_plan_the_progress_and_the_answer(
    running_machine: Machine, tmp_path: Path
) -> None:
    file = DATASETS["wine"](tmp_path / "wine.csv", imperfect=True)
    command = ("tune", file, "--target", "target", "--trials", "9", "--epochs", "3")
    found = running_machine.run(*command)
    assert found.returncode == 0, found.stderr
    for part in ("wine: 178 rows, 16 columns", "classification of target", "judged by log_loss",
                 "metric: ", "9/9", "Best configuration", "Best of every optimizer",
                 "9 trials in"):  # fmt: skip
        assert part in found.stdout
    assert found.stderr == ""

    listed = running_machine.run("jobs", "--json")
    jobs = json.loads(listed.stdout)
    assert (listed.returncode, jobs[0]["state"]) == (0, "completed")
    table = running_machine.run("jobs")
    assert table.returncode == 0
    assert all(job["id"] in table.stdout for job in jobs)
    best = running_machine.run("best", jobs[0]["id"])
    assert best.returncode == 0
    assert "Best configuration" in best.stdout
    again = running_machine.run("best", jobs[0]["id"], "--json")
    answer = json.loads(again.stdout)
    assert answer["trial"] in {finalist["number"] for finalist in answer["finalists"]}
    for part in (answer["sentence"], "mean of 10 fresh seeds", "a run of your own should land"):
        assert part in " ".join(found.stdout.split())


def test_what_cannot_be_done_is_one_line_and_exit_code_1(
    running_machine: Machine, tmp_path: Path
) -> None:
    bad, empty = tmp_path / "bad.csv", tmp_path / "empty.csv"
    bad.write_text("size,kind\n1,2\n3\n")
    empty.write_text("")
    wine = DATASETS["wine"](tmp_path / "wine.csv")
    for command, expected in (
        (("tune", bad), "the row in line 3 has 1 values"),
        (("tune", empty), "the file is empty"),
        (("tune", wine, "--target", "taregt"), "Did you mean 'target'"),
        (("tune", wine, "--optimizer", "adamm"), "Did you mean 'adam'"),
        (("tune", wine, "--metric", "rmse"), "metric must be among log_loss, accuracy"),
        (("best", "nothing"), "There is no job 'nothing'"),
        (("serve",), "Another server"),
    ):
        found = running_machine.run(*command)
        assert (found.returncode, found.stdout) == (1, ""), found
        (line,) = found.stderr.splitlines()
        assert expected in line


def test_without_a_server_the_command_says_how_to_start_one(
    machine: Machine, tmp_path: Path
) -> None:
    wine = DATASETS["wine"](tmp_path / "wine.csv")
    for command in (("tune", wine), ("jobs",), ("best", "any")):
        found = machine.run(*command)
        assert (found.returncode, found.stdout) == (1, "")
        (line,) = found.stderr.splitlines()
        assert "fallline serve" in line
    machine.environment["FALLLINE_TOKEN"] = "x" * 20
    found = machine.run("jobs")
    assert found.returncode == 1
    assert f"No server answers at {machine.url}" in found.stderr


def test_the_version_needs_no_server(machine: Machine) -> None:
    found = machine.run("version")
    assert (found.returncode, found.stdout.strip()) == (0, version("fallline"))


def test_a_server_that_is_asked_to_stop_leaves_nothing_open(machine: Machine) -> None:
    machine.start()
    token = (machine.home / "token").read_text()
    code, printed = machine.stop(signal.SIGTERM)
    assert code == 0, printed
    assert f"{machine.url}/login?token={token}" in printed
    assert "GET /healthz 200" in printed  # the log works from the first start on
    assert "Traceback" not in printed
    assert "leaked" not in printed
    left = {path.name for path in machine.home.iterdir()}
    assert left == {"fallline.db", "fallline.db.lock", "token", "blobs"}
