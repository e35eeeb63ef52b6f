"""The start page over HTTP, and that the texts it shows do what its button does."""

import contextlib
import io
import json
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from service import cli, samples
from service.client import Client
from service.commands import tuning
from service.samples import SAMPLES
from tests.service.conftest import Live
from tests.service.journeys import Json, job, table, upload
from tests.service.test_authorisation import bearer

pytestmark = pytest.mark.xdist_group("shared_live")

HTML = {"Accept": "text/html"}
TINY = "time=own&budget.trials=8&budget.epochs=2&confirmation.seeds=0&transfer=true"


class Texts(HTMLParser):
    """The text of every element that has an id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._open: list[tuple[str, str | None]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"input", "meta", "link", "img", "rect", "br", "hr"}:
            self._open.append((tag, dict(attrs).get("id")))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            if name:
                self.found[name] = self.found.get(name, "") + data


def texts(live: Live, dataset: Json, fields: str) -> dict[str, str]:
    """What the page says where these fields are chosen."""
    answer = live.client.get(f"/plan?dataset={dataset['id']}&{fields}")
    assert answer.status_code == 200, answer.text
    return Texts(answer.text).found


def settled(live: Live, job_id: str) -> Json:
    """What a job was asked for, its dataset apart; it is ended, nobody waits for it."""
    live.client.post(f"/v1/jobs/{job_id}/cancel")
    view = job(live.client, job_id)
    return {"spec": view["spec"], "name": view["name"]}


def submitted(live: Live, dataset: Json, fields: str) -> Json:
    """What comes of the JSON that is shown."""
    spec = json.loads(texts(live, dataset, fields)["as-json"])
    answer = live.client.post("/v1/jobs", json=spec)
    assert answer.status_code == 201, answer.text
    return settled(live, answer.json()["id"])


@pytest.fixture(scope="module")
def dataset(shared_live: Live) -> Json:
    # A name for a shell to stumble over.
    return upload(shared_live.client, table(), name="my table. 1")


ODD = "-x 'y' \"$HOME\""


@pytest.fixture(scope="module")
def odd(shared_live: Live) -> Json:
    """Its target has a name that a shell, JSON and Python must be told carefully."""
    header = '"size","weight","{}"'.format(ODD.replace('"', '""'))
    return upload(shared_live.client, table(header=header), name="odd", target=ODD)


EXPRESSIBLE = [
    f"{TINY}",
    f"{TINY}&target=size&metric=rmse&seed=4",
    f"{TINY}&question=compare&budget.trials=",
    f"{TINY}&question=compare&space.optimizers=own&space.optimizers.own=adam&space.optimizers.own=sgd",
    f"{TINY}&transfer=false&name=it%27s%20%22mine%22%20%24TOKEN",
    "time=minutes&transfer=false",
]
OTHERS = [
    f"{TINY}&model.hidden=8,4&model.activation=tanh&model.dropout=0.1",
    f"{TINY}&columns.weight=categorical&class_weight=balanced&split.kind=grouped&split.column=size",
    f"{TINY}&rungs.rule=halving&budget.target=0.1&budget.patience=30&space.learning_rate.low=1e-3&space.learning_rate.high=0.1",
    f"{TINY}&sampler=random&space.schedules=all&space.batch=16,full&question=compare&transfer=false",
]


@pytest.mark.parametrize("fields", [*EXPRESSIBLE, *OTHERS])
def test_the_python_text_submits_the_same_job(
    shared_live: Live, dataset: Json, monkeypatch: pytest.MonkeyPatch, fields: str
) -> None:
    monkeypatch.setenv("TOKEN", shared_live.services.token.get_secret_value())
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(texts(shared_live, dataset, fields)["as-python"], {})
    found = settled(shared_live, printed.getvalue().strip())
    assert found == submitted(shared_live, dataset, fields)


@pytest.mark.parametrize("fields", [EXPRESSIBLE[4], OTHERS[1]])
def test_the_curl_text_submits_the_same_job(shared_live: Live, dataset: Json, fields: str) -> None:
    line, _, below = texts(shared_live, dataset, fields)["as-curl"].partition(" <<'JSON'\n")
    token = shared_live.services.token.get_secret_value()
    words = shlex.split(line.replace("\\\n", "").replace("$TOKEN", token))
    assert words[:5] == [
        *("curl", "-H", f"Authorization: Bearer {token}"),
        *("-H", "Content-Type: application/json"),
    ]
    assert words[5:7] == ["--data", "@-"]
    body, end = below.rsplit("\n", 1)
    assert end == "JSON"
    headers = {"Content-Type": "application/json"}
    answer = shared_live.client.post(words[7], content=body, headers=headers)
    assert answer.status_code == 201
    found = settled(shared_live, answer.json()["id"])
    assert found == submitted(shared_live, dataset, fields)


def run(live: Live, dataset: Json, text: str, folder: Path, patch: pytest.MonkeyPatch) -> Json:
    """What comes of a `fallline` command, which is not waited for."""
    followed: list[str] = []

    def follow(_client: Client, job_id: str, *, as_json: bool) -> None:
        followed.append(job_id)
        raise typer.Exit

    patch.setattr(tuning, "_follow", follow)
    patch.chdir(folder)
    token, port, program, *arguments = shlex.split(text)
    assert (token, program) == ("FALLLINE_TOKEN=$TOKEN", "fallline")
    patch.setenv("FALLLINE_TOKEN", live.services.token.get_secret_value())
    patch.setenv(*port.split("="))
    Path(arguments[1]).write_bytes(live.client.get(f"/v1/datasets/{dataset['id']}/csv").content)
    found = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    (job_id,) = followed
    return settled(live, job_id)


@pytest.mark.parametrize("fields", EXPRESSIBLE)
def test_the_command_submits_the_same_job(
    shared_live: Live, dataset: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: str
) -> None:
    command = texts(shared_live, dataset, fields)["as-command"]
    found = run(shared_live, dataset, command, tmp_path, monkeypatch)
    assert found == submitted(shared_live, dataset, fields)


def test_every_text_bears_odd_names(
    shared_live: Live, odd: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = texts(shared_live, odd, TINY)
    expected = submitted(shared_live, odd, TINY)
    assert expected["spec"]["target"] == ODD
    assert run(shared_live, odd, shown["as-command"], tmp_path, monkeypatch) == expected
    fields = f"{TINY}&target=weight&columns.{ODD.replace(' ', '+')}=ignored"
    monkeypatch.setenv("TOKEN", shared_live.services.token.get_secret_value())
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(texts(shared_live, odd, fields)["as-python"], {})
    found = settled(shared_live, printed.getvalue().strip())
    assert found["spec"]["columns"] == {ODD: "ignored"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ("model.hidden=8&rungs.rule=halving", "model.hidden, rungs.rule"),
        ("question=compare&transfer=false", "transfer"),
        ("space.optimizers=all", "space.optimizers"),
        ("columns.size=ignored", "columns"),
    ],
)
def test_a_setting_that_the_command_lacks_is_named(
    shared_live: Live, dataset: Json, fields: str, named: str
) -> None:
    shown = texts(shared_live, dataset, fields)["as-command"]
    assert shown == f"# The command has no option for {named}: use curl or Python for this job."


def test_the_token_is_in_no_text(shared_live: Live, dataset: Json) -> None:
    page = shared_live.client.get(f"/?dataset={dataset['id']}").text
    assert shared_live.services.token.get_secret_value() not in page
    assert "$TOKEN" in page


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ("time=own&budget.trials=many", "budget.trials", "Input should be a number"),
        ("time=own&budget.trials=0", "budget.trials", "greater than or equal to 1"),
        ("space.batch=1000", "space.batch", "must hold numbers up to"),
        ("space.optimizers=own", "space.optimizers", "or a list of 1 or more"),
        ("space.learning_rate.low=0.1", "space.learning_rate.high", "Field required"),
        ("metric=rmse", "metric", "metric must be among log_loss, accuracy"),
        ("target=nothing", "target", "target must be among"),
        ("model.kind=cnn", "model.kind", "needs a column of images"),
    ],
)
def test_the_page_says_what_the_api_would_refuse(
    shared_live: Live, dataset: Json, fields: str, field: str, message: str
) -> None:
    answer = shared_live.client.get(f"/plan?dataset={dataset['id']}&{fields}")
    shown = Texts(answer.text).found
    assert f'data-of="{field}"' in answer.text
    assert message in shown["problems"]
    refused = shared_live.client.post("/v1/jobs", json=json.loads(shown["as-json"]))
    assert refused.status_code == 422
    assert refused.json()["field"] == field


def test_what_follows_from_the_target_is_told(shared_live: Live, dataset: Json) -> None:
    classes = texts(shared_live, dataset, "")["recognised"]
    assert "classification" in classes
    assert "Rows of each class of kind" in classes
    values = texts(shared_live, dataset, "target=weight&task=regression")["recognised"]
    assert "regression" in values
    assert "Values of weight, from 0 to 9" in values


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_as_it_is_described(shared_live: Live, name: str) -> None:
    answer = shared_live.client.get(f"/samples/{name}.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    sample = SAMPLES[name]
    found = upload(shared_live.client, answer.content, name=name, target=sample.target)
    assert found["rows"] == sample.rows
    assert found["columns"][-1]["name"] == sample.target
    assert not any(column["missing"] for column in found["columns"])
    page = shared_live.client.get("/").text
    assert f'href="/?dataset={found["id"]}"' in page
    assert f'data-sample="{name}"' not in page


def test_a_dataset_that_is_only_called_like_a_sample_is_none(shared_live: Live) -> None:
    headers = bearer(shared_live, owner="namesake")
    with httpx.Client(base_url=shared_live.client.base_url, headers=headers) as client:
        upload(client, table(), name="wine")
        assert 'data-sample="wine"' in client.get("/").text


def test_there_is_no_other_sample(shared_live: Live) -> None:
    answer = shared_live.client.get("/samples/iris.csv")
    assert (answer.status_code, answer.json()["value"]) == (404, "iris")


def test_samples_are_made_once() -> None:
    assert samples.as_csv("wine") is samples.as_csv("wine")


def test_a_reader_is_told_what_is_missing(shared_live: Live, dataset: Json) -> None:
    headers = bearer(shared_live, owner="admin", scopes=["read"]) | HTML
    with httpx.Client(base_url=shared_live.client.base_url, headers=headers) as client:
        for address in ("/", f"/?dataset={dataset['id']}"):
            page = client.get(address).text
            assert "takes a token with the scope <code>submit</code>" in page
            assert "<button" not in page.partition("<main")[2]


@pytest.mark.parametrize("address", ["/?dataset=", "/plan?dataset=", "/datasets/"])
def test_somebody_elses_dataset_is_not_there(
    shared_live: Live, dataset: Json, address: str
) -> None:
    headers = bearer(shared_live, owner="stranger") | HTML
    with httpx.Client(base_url=shared_live.client.base_url, headers=headers) as client:
        assert client.get(f"{address}{dataset['id']}").status_code == 404
        assert "There are no datasets yet." in client.get("/datasets").text


def test_a_dataset_too_small_to_learn_from_is_shown_with_the_reason(shared_live: Live) -> None:
    few = upload(shared_live.client, table(10))
    shown = texts(shared_live, few, "")
    assert "at least 20" in shown["problems"]
    assert "Rows of each class" in shown["recognised"]
    page: Any = shared_live.client.get(f"/datasets/{few['id']}")
    assert page.status_code == 200
    assert "at least 20" in page.text
