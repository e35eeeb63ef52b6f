import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar, get_args

import pandas as pd
import pytest
import yaml

from service import datasets, jobs, tokens
from service.client import EXPORTS, Client, FalllineError, Form
from studies.resolve import resolve
from studies.spec import StudySpec
from tests.service.conftest import Live, listen
from tests.service.journeys import ENDLESS, SMALL, table, training

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


@pytest.fixture
def client(shared_live: Live) -> Iterator[Client]:
    token = shared_live.services.token.get_secret_value()
    with Client(str(shared_live.client.base_url), token) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my table.csv"
    path.write_bytes(table())
    return path


def test_from_a_file_to_an_answer(client: Client, file: Path) -> None:
    dataset = client.upload(file, target="kind")
    assert (dataset["name"], dataset["target"], dataset["rows"]) == ("my table", "kind", 60)
    job = client.submit(dataset["id"], **SMALL)
    seen = list(client.watch(job["id"]))
    assert seen[-1]["state"] == "completed"
    assert all(view["state"] in {"queued", "running"} for view in seen[:-1])
    assert client.job(job["id"]) == seen[-1]
    best = client.best(job["id"])
    assert best["value"] == seen[-1]["best_value"]
    assert client.report(job["id"])["best"]["number"] == best["trial"]
    assert best["config"]["optimizer"]["name"] in client.best_script(job["id"])
    assert next(client.jobs())["id"] == job["id"]


def test_a_text_file_is_read_as_it_is_said_to_be_written(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    lines = (f"{row},5;{'grün' if row % 2 else 'blau'}" for row in range(60))
    path.write_text("\n".join(["größe;farbe", *lines]), encoding="cp1252")
    said = {"encoding": "cp1252", "delimiter": ";"}
    found = client.upload(path, **said, decimal=",")
    assert [column["name"] for column in found["columns"]] == ["größe", "farbe"]
    assert found["format"] == {"kind": "text", "decimal_commas": ["größe"], **said}
    with pytest.raises(FalllineError, match="encoding") as refused:
        client.upload(path, encoding="latin-0")
    assert refused.value.problem["field"] == "encoding"


def test_what_a_job_has_found_is_saved(client: Client, file: Path, tmp_path: Path) -> None:
    *_, job = client.watch(client.submit(client.upload(file)["id"], **SMALL)["id"])
    for form in get_args(Form):
        path = tmp_path / f"saved.{form}"
        path.write_text("what was there before")
        assert client.export(job["id"], form, path) == path
    frames = pd.read_csv(tmp_path / "saved.csv"), pd.read_parquet(tmp_path / "saved.parquet")
    for frame in frames:
        assert list(frame["number"]) == list(range(8))
    assert yaml.safe_load((tmp_path / "saved.yaml").read_text()) == client.best(job["id"])
    assert (tmp_path / "saved.python").read_text() == client.best_script(job["id"])
    assert "def configure(" in (tmp_path / "saved.torch").read_text()
    assert EXPORTS.keys() == set(get_args(Form))


def test_a_file_that_is_not_given_is_not_touched(
    client: Client, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, job = client.watch(client.submit(client.upload(file)["id"], **SMALL)["id"])
    file.unlink()
    monkeypatch.chdir(tmp_path)
    Path("trials.csv").write_text("mine")
    with pytest.raises(FalllineError, match="There is no job 'nothing'"):
        client.export("nothing", "csv")
    with pytest.raises(FileNotFoundError):
        client.export(job["id"], "csv", Path("nowhere/trials.csv"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"trials.csv": "mine"}


def test_a_job_can_be_cancelled(client: Client, file: Path, shared_live: Live) -> None:
    job = client.submit(client.upload(file)["id"], **ENDLESS)
    training(shared_live.client, job["id"])
    assert client.cancel(job["id"])["state"] == "cancelled"
    assert [view["state"] for view in client.watch(job["id"])] == ["cancelled"]
    with pytest.raises(FalllineError, match="The job is cancelled; this can be done") as caught:
        client.cancel(job["id"])
    assert caught.value.problem["status"] == 409


def test_jobs_are_listed_however_many_there_are(
    client: Client, file: Path, shared_live: Live
) -> None:
    dataset_id = client.upload(file)["id"]
    spec = StudySpec.model_validate(SMALL | {"target": "kind"})
    with shared_live.services.database.write() as connection:
        schema = datasets.schema(datasets.get(connection, tokens.LOCAL_OWNER, dataset_id))
        made = []
        for _ in range(205):
            made.append(
                jobs.create(
                    connection,
                    owner=tokens.LOCAL_OWNER,
                    dataset_id=dataset_id,
                    request={},
                    resolved=resolve(spec, schema),
                )
            )
            jobs.cancel(connection, tokens.LOCAL_OWNER, made[-1])
    listed = [job["id"] for job in client.jobs()]
    assert listed[:205] == made[::-1]
    assert len(set(listed)) == len(listed)


def test_a_refusal_carries_the_problem(client: Client, file: Path) -> None:
    dataset = client.upload(file)
    with pytest.raises(FalllineError, match="Did you mean 'adam'") as caught:
        client.submit(dataset["id"], space={"optimizers": ["adamm"]})
    assert caught.value.problem["field"] == "space.optimizers"
    assert caught.value.problem["status"] == 422
    file.write_bytes(b"")
    with pytest.raises(FalllineError, match="the file is empty"):
        client.upload(file)
    with pytest.raises(FalllineError, match="There is no job 'nothing'"):
        client.best("nothing")


def test_a_wrong_token_is_refused(shared_live: Live) -> None:
    with (
        Client(str(shared_live.client.base_url), "fall_wrong") as client,
        pytest.raises(FalllineError) as caught,
    ):
        client.job("any")
    assert caught.value.problem["status"] == 401


def test_without_a_server_the_way_out_is_told() -> None:
    listener = listen()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    with Client(address, "any") as client:
        assert not client.healthy()
        with pytest.raises(
            FalllineError, match=r"No server answers at .*`fallline serve`"
        ) as caught:
            client.job("any")
        with pytest.raises(FalllineError, match="No server answers"):
            client.export("any", "csv")
    assert address in str(caught.value)
    assert caught.value.problem == {}


def test_a_server_says_that_it_is_healthy(client: Client) -> None:
    assert client.healthy()


class Breaker(BaseHTTPRequestHandler):
    """A server that dies in the middle of an answer."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"half of it")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def test_half_a_file_is_no_file(tmp_path: Path) -> None:
    with (
        answering(Breaker) as client,
        pytest.raises(FalllineError, match="broke off before its end"),
    ):
        client.export("any", "csv", tmp_path / "trials.csv")
    assert list(tmp_path.iterdir()) == []


class Stranger(BaseHTTPRequestHandler):
    """A server that is not ours: a proxy in front of one, say."""

    def do_GET(self) -> None:
        content = b"<h1>Bad gateway</h1>"
        self.send_response(502)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[Client]:
    """A client of a server that is not ours."""
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with Client(f"http://127.0.0.1:{server.server_port}", "any") as client:
                yield client
        finally:
            server.shutdown()
            thread.join()


def test_an_answer_that_is_not_ours_is_an_error_too(tmp_path: Path) -> None:
    with answering(Stranger) as client:
        with pytest.raises(FalllineError, match="HTTP 502") as caught:
            client.job("any")
        assert caught.value.problem == {}
        with pytest.raises(FalllineError, match="HTTP 502"):
            next(client.watch("any"))
        with pytest.raises(FalllineError, match="HTTP 502"):
            client.export("any", "csv", tmp_path / "trials.csv")


class Broken(BaseHTTPRequestHandler):
    """A connection that breaks in the middle of an event, and then does not any more."""

    asked_after: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        after = self.headers["Last-Event-ID"]
        self.asked_after.append(after)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        whole = {
            None: b'event: trial\nid: 0\ndata: {"number": 0}\n\n',
            "0": b": ping\n\n"
            b'event: trial\nid: 1\ndata: {"number": 1}\n\n'
            b": ping\n\n"
            b'event: job\ndata: {"state": "completed"}\n\n',
        }[after]
        if after is None:
            self.send_header("Content-Length", "1000")  # more than will come
            whole += b"event: trial\nda"
        self.end_headers()
        self.wfile.write(whole)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def test_a_lost_connection_is_made_again() -> None:
    with answering(Broken) as client:
        told = list(client.events("any"))
    assert told == [
        ("trial", {"number": 0}),
        ("trial", {"number": 1}),
        ("job", {"state": "completed"}),
    ]
    assert Broken.asked_after == [None, "0"]


def test_following_a_job_is_given_up_when_the_server_stays_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.client.RECONNECT_SECONDS", 0.0)
    listener = listen()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    with Client(address, "any") as client, pytest.raises(FalllineError, match="No server answers"):
        next(client.events("any"))
