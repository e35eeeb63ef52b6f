"""What a job has found, as a page: every number on it is the API's."""

import json
from typing import Any

import httpx
import pytest

from service import tokens
from service.rendering import POLICY, number, rate, score
from tests.service.conftest import Live
from tests.service.journeys import Json, ended, submit, table, upload
from tests.service.test_report_page import Page

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]

NAME = "<b>mine</b> & {{ 7 * 7 }}"


def seen(client: httpx.Client, job: Json, part: str = "answer", **params: Any) -> Page:
    answer = client.get(f"/jobs/{job['id']}/{part}", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers.get_list("content-security-policy")[0] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    return Page(answer.text)


def words(page: Page) -> str:
    return " ".join(page.text.split())


def report(client: httpx.Client, job: Json) -> Json:
    found: Json = client.get(f"/v1/jobs/{job['id']}/report").json()
    return found


@pytest.fixture(scope="module")
def confirmed(shared_live: Live) -> Json:
    dataset = upload(shared_live.client, table(90), target="kind", name="confirmed")
    space = {"optimizers": ["sgd", "adam", "lion"], "schedules": ["constant"], "batch": [16]}
    job = submit(
        shared_live.client,
        dataset,
        name=NAME,
        space=space,
        question="compare",
        budget={"trials": 36, "epochs": 3},
        confirmation={"seeds": 3},
    )
    return ended(shared_live.client, job["id"])


@pytest.fixture(scope="module")
def regression(shared_live: Live) -> Json:
    dataset = upload(shared_live.client, table(), target="weight")
    job = submit(shared_live.client, dataset, task="regression", metric="r2")
    return ended(shared_live.client, job["id"])


def test_the_verdict_is_the_apis(shared_live: Live, confirmed: Json) -> None:
    text, found = words(seen(shared_live.client, confirmed)), report(shared_live.client, confirmed)
    best = found["best"]
    (finalist,) = [e for e in found["verdict"]["finalists"] if e["number"] == best["number"]]
    assert text.startswith(f"Use {best['config']['optimizer']['name']} with a learning rate of")
    assert found["verdict"]["sentence"] in text
    assert f"Expect a test log_loss of {score(finalist['mean'], 'log_loss')}" in text
    low, high = (score(end, "log_loss") for end in finalist["interval"])
    assert f"(95 % interval {low} to {high})" in text
    assert "Not confirmed" not in text


def test_the_configuration_can_be_taken_along(shared_live: Live, confirmed: Json) -> None:
    page = seen(shared_live.client, confirmed)
    address = f"/v1/jobs/{confirmed['id']}/best"
    config, snippet, script, commands = page.contents["pre"]
    assert json.loads(config) == shared_live.client.get(address).json()["config"]
    for text, form in ((snippet, "torch"), (script, "python")):
        source = shared_live.client.get(address, params={"format": form}).text
        assert text.strip() == source.strip()
    assert f"fallline best {confirmed['id']} --python > best.py" in commands
    copies = [a["data-copy"] for tag, a in page.tags if tag == "button" and "data-copy" in a]
    assert copies == [a["id"] for tag, a in page.tags if tag == "pre"]


def test_the_ranking_is_the_apis(shared_live: Live, confirmed: Json) -> None:
    text, found = words(seen(shared_live.client, confirmed)), report(shared_live.client, confirmed)
    tested = {each["number"]: each for each in found["verdict"]["finalists"]}
    for row in found["optimizers"]:
        best, finalist = row["best"], tested[row["best"]["number"]]
        low, high = (score(end, "log_loss") for end in finalist["interval"])
        beaten = "no" if row["optimizer"] in found["verdict"]["leading"] else "yes"
        line = (
            f"{row['optimizer']} {score(finalist['mean'], 'log_loss')} {low} to {high} {beaten} "
            f"{score(best['value'], 'log_loss')} {rate(best['config']['optimizer']['learning_rate'])} "
            f"{best['config']['schedule']['name']} {best['config']['batch']} "
            f"{row['trials']} {row['diverged']}"
        )
        assert line in text


def test_the_matrix_is_the_apis(shared_live: Live, confirmed: Json) -> None:
    text, found = words(seen(shared_live.client, confirmed)), report(shared_live.client, confirmed)
    pairs = found["verdict"]["pairs"]
    assert len(pairs) == 3
    for pair in pairs:
        for one, other, sign in (("first", "second", 1), ("second", "first", -1)):
            difference = sign * pair["difference"] + 0.0
            assert f"{pair[one]} minus {pair[other]}: log_loss {difference:+.4g}" in text
        assert pair["sentence"] in text


def test_charts_show_what_the_report_says(shared_live: Live, confirmed: Json) -> None:
    page, found = seen(shared_live.client, confirmed), report(shared_live.client, confirmed)
    figures = page.figures
    assert set(figures) == {
        "intervals", "rates-sgd", "rates-adam", "rates-lion", "budgets", "parallel-score",
        "parallel-optimizer", "front-seconds",
    } | ({"front-memory"} & set(figures))  # fmt: skip
    for name, said in found["sensitivity"].items():
        (trace,) = figures[f"rates-{name}"]["data"]
        rates = [point["learning_rate"] for point in said["points"]]
        assert trace["x"] == pytest.approx(rates, rel=1e-4)
    lines = sum(trace["x"].count(None) for trace in figures["parallel-score"]["data"])
    assert lines == 36


def test_who_chose_the_trials_is_told(shared_live: Live, confirmed: Json) -> None:
    text, found = words(seen(shared_live.client, confirmed)), report(shared_live.client, confirmed)
    listed = shared_live.client.get(f"/v1/jobs/{confirmed['id']}/trials?limit=1000").json()
    assert sum(each["trials"] for each in found["origins"]) == 36
    for each in found["origins"]:
        mine = [t for t in listed["items"] if t["origin"] == each["origin"]]
        done = [t for t in mine if t["outcome"] == "completed"]
        assert (each["trials"], each["completed"]) == (len(mine), len(done))
        assert each["value"] == min((t["value"] for t in done), default=None)
        assert (
            f"{each['trials']} {each['completed']} {number(each['value'])} {each['best']}" in text
        )


def test_importance_comes_by_itself(shared_live: Live, confirmed: Json) -> None:
    page = seen(shared_live.client, confirmed)
    (address,) = [a["data-later"] for _, a in page.tags if "data-later" in a]
    assert address == f"/jobs/{confirmed['id']}/importance"
    part = seen(shared_live.client, confirmed, "importance")
    choices = report(shared_live.client, confirmed)["importance"]["choices"]
    (bars,) = part.figures["importance"]["data"]
    assert bars["x"][::-1] == [100 * choice["share"] for choice in choices]
    whole = seen(shared_live.client, confirmed, "importance", whole=True)
    assert whole.contents["h1"] == ["What matters"]


def test_names_are_text(shared_live: Live, confirmed: Json) -> None:
    page = seen(shared_live.client, confirmed, whole=True)
    assert page.contents["h1"] == [NAME]
    assert page.contents["title"] == [f"{NAME}: the answer · Fallline"]
    assert "b" not in {tag for tag, _ in page.tags}


def test_before_a_confirmation_it_says_so(shared_live: Live, regression: Json) -> None:
    text, found = (
        words(seen(shared_live.client, regression)),
        report(shared_live.client, regression),
    )
    best = found["best"]
    name = best["config"]["optimizer"]["name"]
    assert text.startswith(f"Use {name} with a learning rate of")
    assert f"{name} did best so far, and nobody" in text
    assert f"Not confirmed. Its validation r2 of {score(best['value'], 'r2')}" in text
    assert "The job asks for no fresh seeds" in text
    for absent in ("Expect a test", "Who beats whom", "How much tuning is worth it"):
        assert absent not in text
    importance = words(seen(shared_live.client, regression, "importance"))
    assert (
        importance
        == "With 8 ended trials that cannot be told; it takes 30 that do not all stand alike."
    )


def test_an_external_job_has_an_answer(shared_live: Live) -> None:
    client = shared_live.client
    spec = {
        "mode": "external",
        "metric": {"name": "perplexity", "direction": "minimize"},
        "space": {"optimizers": ["adamw", "lion"]},
        "budget": {"trials": 4, "epochs": 2},
    }
    job = client.post("/v1/jobs", json=spec).json()
    text = words(seen(client, job))
    assert text.startswith("No trial has completed yet.")
    assert "Ranking" not in text
    asked = client.post(f"/v1/jobs/{job['id']}/ask", json={"count": 4}).json()["trials"]
    for trial in asked:
        told = {"lease": trial["lease"], "value": 10.0 + trial["number"]}
        client.post(f"/v1/jobs/{job['id']}/trials/{trial['number']}/tell", json=told)
    page = seen(client, job, whole=True)
    assert page.contents["h1"] == ["External job"]
    text = words(page)
    assert "Nothing is trained here: train the best few again" in text
    assert "perplexity 10" in text
    assert "best.py" not in text
    assert not any("data-model" in a for _, a in page.tags)
    offline = client.get(f"/v1/jobs/{job['id']}/report.html")
    assert "Trained elsewhere, judged by perplexity" in words(Page(offline.text))


@pytest.mark.parametrize("part", ["answer", "importance"])
def test_only_its_owner_sees_it(shared_live: Live, confirmed: Json, part: str) -> None:
    with shared_live.services.database.write() as connection:
        token = tokens.create(connection, owner="ann", name="test", scopes=["read"]).token
    address = f"/jobs/{confirmed['id']}/{part}"
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
    assert shared_live.anonymous.get(address, headers=headers).status_code == 404
    assert shared_live.anonymous.get(address).status_code == 401
