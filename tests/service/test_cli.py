import json
import signal
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service import cli
from service.client import FalllineError
from tests.service.conftest import Live, listen
from tests.service.journeys import ENDLESS, ended, submit, table, upload

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]

COMMANDS = [
    "serve",
    "demo",
    "tune",
    "compare",
    "extend",
    "watch",
    "pause",
    "resume",
    "cancel",
    "jobs",
    "datasets",
    "best",
    "export",
    "optimizers",
    "replay",
    "tokens",
    "version",
]


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """`main` changes what a request to stop does."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def server(shared_live: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """The server that the command finds."""
    settings = shared_live.services.settings
    monkeypatch.setenv("FALLLINE_HOME", str(settings.home))
    monkeypatch.setenv("FALLLINE_PORT", str(settings.port))
    return shared_live


def run(*arguments: str) -> str:
    """What the command prints when all goes well."""
    found = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.stdout


def fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> str:
    """The one line that the command prints when it cannot do its work."""
    monkeypatch.setattr("sys.argv", ["fallline", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line


def test_every_command_is_explained() -> None:
    text = run("--help")
    for command in COMMANDS:
        assert command in text
        assert "--help" in run(command, "--help")


def test_the_version_is_printed() -> None:
    assert run("version").strip() == version("fallline")


def test_tuning_prints_the_plan_and_the_answer(server: Live, tmp_path: Path) -> None:
    file = tmp_path / "my (small) table.csv"
    file.write_bytes(table())
    text = run(
        "tune", str(file), "--target", "kind", "--trials", "9", "--epochs", "2",
        "--optimizer", "adam", "--optimizer", "sgd", "--metric", "accuracy", "--seed", "4",
    )  # fmt: skip
    assert "my small table: 60 rows, 3 columns" in text
    assert "judged by accuracy" in text
    assert "Best configuration" in text
    assert "9 trials in" in text
    job = server.client.get("/v1/jobs").json()["items"][0]
    assert job["spec"]["seed"] == 4
    given = {name: value for name, value in job["spec"]["budget"].items() if value is not None}
    assert given == {"trials": 9, "epochs": 2}
    assert job["spec"]["space"]["optimizers"] == ["adam", "sgd"]
    assert job["spec"]["transfer"]


def test_json_is_all_that_scripts_get(server: Live, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(table())
    best = json.loads(
        run("tune", str(file), "--trials", "4", "--epochs", "1", "--no-transfer", "--json")
    )
    assert best["config"].keys() == {"optimizer", "schedule", "batch"}
    assert json.loads(run("best", best["job"], "--json")) == best
    listed = json.loads(run("jobs", "--json"))
    assert listed[0]["id"] == best["job"]
    assert not listed[0]["spec"]["transfer"]
    assert listed[0]["best_value"] == best["value"]
    assert "Best configuration" in run("best", best["job"])
    assert best["job"] in run("jobs")  # whole, to be copied
    longer = json.loads(run("extend", best["job"], "--trials", "6", "--json"))
    assert (longer["job"], sum(row["trials"] for row in longer["optimizers"])) == (best["job"], 6)
    script = run("best", best["job"], "--python")
    compile(script, "best.py", "exec")
    assert script.startswith('"""The best configuration of a study')


def test_comparing_prints_a_ranking(server: Live, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(table())
    options = (
        "--target", "kind", "--trials", "8", "--epochs", "2", "--optimizer", "adam",
        "--optimizer", "sgd", "--seeds", "3", "--seed", "4",
    )  # fmt: skip
    text = run("compare", str(file), *options)
    assert "table: 60 rows, 3 columns" in text
    assert "Ranking" in text
    job = server.client.get("/v1/jobs").json()["items"][0]
    spec = job["spec"]
    assert (spec["question"], spec["seed"], spec["confirmation"]["seeds"]) == ("compare", 4, 3)
    verdict = server.client.get(f"/v1/jobs/{job['id']}/report").json()["verdict"]
    assert verdict["sentence"] in " ".join(text.split())
    again = json.loads(run("compare", str(file), *options, "--json"))
    assert again.keys() == {"job", "metric", "direction", "verdict", "optimizers"}
    assert again["verdict"]["sentence"] == verdict["sentence"]
    assert {row["trials"] for row in again["optimizers"]} == {4}


def test_what_was_found_is_saved(
    server: Live,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    job = ended(server.client, submit(server.client, upload(server.client, table()))["id"])["id"]
    assert run("export", job, "--format", "csv").startswith("trials.csv: ")
    size = (tmp_path / "trials.csv").stat().st_size
    said = run("export", job, "--format", "csv", "--output", "other (1).csv")
    assert said == f"other (1).csv: {size:,} bytes\n"
    line = fails(monkeypatch, capsys, "export", job, "--format", "csv", "--output", "no/such.csv")
    assert line.startswith("The file cannot be written: ")
    assert "There is no job" in fails(monkeypatch, capsys, "export", "none", "--format", "yaml")
    found = CliRunner().invoke(cli.app, ["export", job, "--format", "xml"])
    assert found.exit_code == 2
    assert "'xml' is not one of" in found.stderr
    assert "'parquet'" in found.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"trials.csv", "other (1).csv"}


@pytest.mark.usefixtures("server")
def test_optimizers_are_listed() -> None:
    listed = json.loads(run("optimizers", "--json"))
    text = run("optimizers")
    for optimizer in listed:
        assert optimizer["name"] in text


@pytest.mark.usefixtures("server")
def test_what_the_server_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(b"size,kind\n1,2\n3\n")
    assert "the row in line 3 has 1 values" in fails(monkeypatch, capsys, "tune", str(file))
    file.write_bytes(table())
    line = fails(monkeypatch, capsys, "tune", str(file), "--target", "knid")
    assert "Did you mean 'kind'?" in line
    line = fails(monkeypatch, capsys, "tune", str(file), "--optimizer", "adamm")
    assert "Did you mean 'adam'" in line
    assert "There is no job 'nothing'" in fails(monkeypatch, capsys, "best", "nothing")


@pytest.mark.usefixtures("server")
def test_refused_fields_are_listed_if_there_are_several(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(table())
    line = fails(monkeypatch, capsys, "tune", str(file), "--trials", "0")
    assert line == "budget.trials: Input should be greater than or equal to 1."
    wrong = ["fallline", "tune", str(file), "--trials", "0", "--seed", "-1"]
    monkeypatch.setattr("sys.argv", wrong)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    first, *fields = capsys.readouterr().err.splitlines()
    assert first.startswith("budget.trials: Input should be greater than or equal to 1.")
    assert fields == [
        "  budget.trials: Input should be greater than or equal to 1",
        "  seed: Input should be greater than or equal to 0",
    ]


def test_a_job_that_was_cancelled_has_no_answer(
    server: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = submit(server.client, upload(server.client, table()), **ENDLESS)
    server.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert "No trial has completed yet" in fails(monkeypatch, capsys, "best", job["id"])


def test_a_job_that_fails_says_why(
    server: Live,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(table())
    monkeypatch.setattr("sys.argv", ["fallline", "tune", str(file), "--json", "--seconds", "1e-6"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[-1].startswith("The job is failed. No trial reached its last")


def test_without_a_token_the_way_out_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("FALLLINE_HOME", str(tmp_path / "a-home-with-a-long-name" / ("x" * 100)))
    line = fails(monkeypatch, capsys, "jobs")
    assert "There is no token at" in line
    assert "`fallline serve`" in line


def test_without_a_server_the_way_out_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = listen()
    monkeypatch.setenv("FALLLINE_PORT", str(listener.getsockname()[1]))
    monkeypatch.setenv("FALLLINE_TOKEN", "x" * 20)
    listener.close()
    assert "No server answers at http://127.0.0.1" in fails(monkeypatch, capsys, "jobs")


def test_a_bad_setting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FALLLINE_PORT", "eighty")
    assert fails(monkeypatch, capsys, "serve").startswith("FALLLINE_PORT: ")


def test_a_file_that_is_not_there_is_a_wrong_use() -> None:
    found = CliRunner().invoke(cli.app, ["tune", "nothing.csv"])
    assert found.exit_code == 2
    assert "nothing.csv" in found.stderr


def test_what_is_not_needed_any_more_is_deleted(server: Live) -> None:
    dataset = upload(server.client, table(90))["id"]
    job = ended(server.client, submit(server.client, {"id": dataset})["id"])["id"]
    assert job in run("jobs")
    assert dataset in run("datasets")
    assert run("jobs", "delete", job) == f"job {job} is deleted\n"
    assert run("datasets", "delete", dataset) == f"dataset {dataset} is deleted\n"
    assert job not in run("jobs", "--json")
    assert dataset not in run("datasets", "--json")


def test_a_job_is_paused_resumed_watched_and_cancelled(server: Live) -> None:
    dataset = upload(server.client, table())
    job = submit(server.client, dataset, **ENDLESS)["id"]
    assert run("pause", job) == f"job {job} is paused\n"
    assert run("resume", job) == f"job {job} is queued\n"
    assert run("cancel", job) == f"job {job} is cancelled\n"
    job = submit(server.client, dataset)["id"]
    assert json.loads(run("watch", job, "--json"))["job"] == job


@pytest.mark.usefixtures("server")
def test_tokens_are_made_listed_and_revoked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = run("tokens", "make", "laptop", "--scope", "read", "--days", "1").strip()
    with monkeypatch.context() as reader:
        reader.setenv("FALLLINE_TOKEN", token)
        listed = json.loads(run("tokens", "--json"))
        line = fails(monkeypatch, capsys, "tokens", "make", "more")
    assert "only allows reading" in line
    (made,) = [each for each in listed if token.endswith(each["last4"])]
    assert (made["name"], made["scopes"]) == ("laptop", ["read"])
    assert made["expires"] > made["created"]
    assert made["id"] in run("tokens")
    assert run("tokens", "revoke", made["id"]).strip() == f"laptop (...{made['last4']}) is revoked"
    monkeypatch.setenv("FALLLINE_TOKEN", token)
    assert "not valid" in fails(monkeypatch, capsys, "jobs")


def test_one_form_at_a_time_is_printed() -> None:
    found = CliRunner().invoke(cli.app, ["best", "job", "--json", "--python"])
    assert found.exit_code == 2
    assert "choose one of --json and --python" in found.stderr


def test_the_token_of_the_settings_comes_before_the_file(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("jobs", "--json").startswith("[")
    monkeypatch.setenv("FALLLINE_TOKEN", "not-the-right-token")
    with pytest.raises(FalllineError):
        run("jobs")
