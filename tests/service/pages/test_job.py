"""The pages of a job and of its trials, as a browser gets them."""

import html
import json
import re
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from service import tables, tokens
from tests.service.conftest import Live
from tests.service.journeys import ENDLESS, Json, ended, submit, table, training, upload, walk

pytestmark = pytest.mark.xdist_group("shared_live")

PAGE = {"Accept": "text/html"}
EXTERNAL: Json = {
    "mode": "external",
    "metric": {"name": "perplexity", "direction": "minimize"},
    "space": {"optimizers": ["sgd", "adam"], "schedules": ["constant"], "batch": [32]},
    "budget": {"trials": 4, "epochs": 3},
}


def page(client: httpx.Client, address: str, **headers: str) -> str:
    answer = client.get(address, headers=PAGE | headers)
    assert answer.status_code == 200, answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    return answer.text


def field(text: str, name: str) -> str:
    """What a page says in the place of a number that changes."""
    found = re.search(rf'data-field="{name}"[^>]*>([^<]*)<', text)
    assert found, name
    return found.group(1)


def button(text: str, label: str) -> str | None:
    """Whether there is a button: None if there is not, else whether it shows."""
    found = re.search(rf"<button([^>]*)>{label}</button>", text)
    return None if found is None else "hidden" if " hidden" in found.group(1) else "shown"


def bearer(live: Live, *scopes: tokens.Scope, owner: str = "ann") -> str:
    with live.services.database.write() as connection:
        made = tokens.create(connection, owner=owner, name="test", scopes=list(scopes))
    return f"Bearer {made.token}"


@pytest.fixture(scope="module")
def finished(shared_live: Live) -> Json:
    client = shared_live.client
    job = submit(client, upload(client, table(), name="kinds of things"), name="first try")
    return ended(client, job["id"])


def test_the_page_says_what_the_api_says(shared_live: Live, finished: Json) -> None:
    text = page(shared_live.client, f"/jobs/{finished['id']}")
    assert "<title>completed · first try · Fallline</title>" in text
    assert f'<a href="/datasets/{finished["dataset"]}">kinds of things</a>' in text
    for name in ("completed", "dropped", "diverged", "stopped", "running", "total"):
        assert field(text, name) == str(finished["counts"][name])
    assert field(text, "ended") == "8"
    assert field(text, "waves") == str(finished["waves"])
    assert field(text, "best") == f"{finished['best_value']:.4g}"
    assert field(text, "best_trial") == str(finished["best_trial"])
    numbers = re.findall(r'data-cell="number" href="/jobs/[^"]*/trials/(\d+)"', text)
    assert [int(each) for each in numbers] == list(range(7, -1, -1))
    assert button(text, "Pause") == "hidden"
    assert button(text, "Delete") == "shown"
    assert f'href="{finished["dashboard"]}"' in text


def test_the_charts_hold_every_trial_of_the_job(shared_live: Live, finished: Json) -> None:
    client = shared_live.client
    answer = client.get(f"/jobs/{finished['id']}/live.json")
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert (found["workers"], found["place"]) == (1, None)
    trials = walk(client, f"/v1/jobs/{finished['id']}/trials")
    charts: dict[str, Any] = found["charts"]
    drawn = {
        number: y
        for trace in charts["by_trials"]["figure"]["data"]
        if trace["mode"] == "markers"
        for number, y in zip(trace["customdata"], trace["y"], strict=True)
    }
    assert drawn.keys() == {trial["number"] for trial in trials}
    for trial in trials:
        if trial["outcome"] == "completed":
            assert drawn[trial["number"]] == pytest.approx(trial["value"], rel=1e-4)
    best = charts["by_time"]["figure"]["data"][-1]
    assert best["name"] == "best so far"
    assert best["y"][-1] == pytest.approx(finished["best_value"], rel=1e-4)
    assert "learning curves" in charts["curves"]["caption"]


def test_what_is_shared_is_its_owners_alone(shared_live: Live, finished: Json) -> None:
    address = f"/jobs/{finished['id']}/live.json"
    mine, theirs = shared_live.client.headers["Authorization"], bearer(shared_live, "read")
    for token, status in ((mine, 200), (theirs, 404), (mine, 200)):
        answer = shared_live.client.get(address, headers={"Authorization": token})
        assert answer.status_code == status


def test_a_trial_is_shown_with_its_curve_and_its_log(shared_live: Live, finished: Json) -> None:
    number = finished["best_trial"]
    text = page(shared_live.client, f"/jobs/{finished['id']}/trials/{number}")
    trial = shared_live.client.get(f"/v1/jobs/{finished['id']}/trials/{number}").json()
    assert f"<h1>Trial {number}</h1>" in text
    assert "The best so far." in text
    for part in ("optimizer", "schedule"):
        for name, value in trial["config"][part].items():
            assert (value if name == "name" else name) in text
    figure = re.search(r'<script type="application/json">(.*?)</script>', text)
    assert figure
    (curve,) = json.loads(figure.group(1))["data"]
    assert dict(zip(map(str, curve["x"]), curve["y"], strict=True)) == trial["curve"]
    for line in trial["log"]:
        assert line["text"] in html.unescape(text)


@pytest.mark.parametrize("path", ["", "/live.json", "/answer", "/trials/0"])
def test_a_job_of_somebody_else_is_not_there(shared_live: Live, finished: Json, path: str) -> None:
    headers = PAGE | {"Authorization": bearer(shared_live, "admin", owner="bob")}
    answer = shared_live.client.get(f"/jobs/{finished['id']}{path}", headers=headers)
    assert answer.status_code == 404
    assert "first try" not in answer.text
    assert shared_live.client.get(f"/jobs/{finished['id']}/trials/8").status_code == 404


def test_a_reader_is_offered_nothing_that_changes(shared_live: Live) -> None:
    author = httpx.Client(
        base_url=shared_live.client.base_url,
        headers={"Authorization": bearer(shared_live, "read", "submit", owner="cleo")},
    )
    with author as client:
        job = submit(client, upload(client, table()), **ENDLESS)
        assert button(page(client, f"/jobs/{job['id']}"), "Pause") == "shown"
        reader = bearer(shared_live, "read", owner="cleo")
        text = page(client, f"/jobs/{job['id']}", Authorization=reader)
        client.post(f"/v1/jobs/{job['id']}/cancel")
    assert re.findall(r"<button[^>]*>([^<]*)<", text) == ["Log out"]
    assert "<dialog" not in text
    assert "in the dashboard" not in text  # which is for administrators
    assert f'data-address="/jobs/{job["id"]}/answer"' in text
    assert text.index('id="charts"') < text.index('id="answer"')  # while it runs


def test_every_state_says_what_it_means(shared_live: Live) -> None:
    client = shared_live.client
    dataset = upload(client, table())
    running = submit(client, dataset, **ENDLESS)
    training(client, running["id"])
    waiting = [submit(client, dataset, name="one after another") for _ in range(2)]
    text = page(client, f"/jobs/{waiting[1]['id']}")
    assert "<title>queued · one after another · Fallline</title>" in text
    assert field(text, "place") == "1 of your jobs goes first"
    live = client.get(f"/jobs/{waiting[0]['id']}/live.json").json()
    assert (live["place"], live["charts"]) == ("Next of your jobs", {})
    assert "No trial has ended yet." in text

    for job in [*waiting, running]:
        client.post(f"/v1/jobs/{job['id']}/pause").raise_for_status()
    text = page(client, f"/jobs/{running['id']}")
    assert button(text, "Resume") == "shown"
    assert button(text, "Pause") == "hidden"
    shown = re.findall(r'<span data-when="(\w+)">', text)
    assert shown == ["paused"]

    failing = update(tables.jobs).where(tables.jobs.c.id == running["id"])
    with shared_live.services.database.write() as connection:
        connection.execute(failing.values(state="failed", error="Every trial diverged."))
    text = page(client, f"/jobs/{running['id']}")
    assert field(text, "error") == "Every trial diverged."
    assert '<span class="problem" data-when="failed">' in text


def test_time_counts_where_it_is_the_nearer_limit(shared_live: Live) -> None:
    client = shared_live.client
    budget = {"trials": 1000, "epochs": 10_000, "seconds": 40.0}
    job = submit(client, upload(client, table()), budget=budget)
    training(client, job["id"])
    this = update(tables.jobs).where(tables.jobs.c.id == job["id"])
    with shared_live.services.database.write() as connection:
        connection.execute(this.values(seconds=10.0))
    assert "<title>25 % · table · Fallline</title>" in page(client, f"/jobs/{job['id']}")
    client.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()


def test_an_external_job_has_a_page_without_a_dataset(shared_live: Live) -> None:
    client = shared_live.client
    job = client.post("/v1/jobs", json=EXTERNAL).json()
    trial = client.post(f"/v1/jobs/{job['id']}/ask", json={}).json()["trials"][0]
    address = f"/v1/jobs/{job['id']}/trials/{trial['number']}"
    client.post(f"{address}/report", json={"lease": trial["lease"], "epoch": 1, "value": 9.5})
    text = page(client, f"/jobs/{job['id']}")
    assert field(text, "title") == "External job"
    assert "by perplexity, measured where you train" in text
    assert field(text, "running") == "1"
    assert "best.py" not in text
    assert "report.html" not in text
    text = page(client, f"/jobs/{job['id']}/trials/{trial['number']}")
    assert "What was reported of it" in text
    client.post(f"{address}/tell", json={"lease": trial["lease"], "value": 7.25})
    charts = client.get(f"/jobs/{job['id']}/live.json").json()["charts"]
    assert charts["by_trials"]["figure"]["data"][-1]["y"][-1] == 7.25
    assert charts["curves"]["figure"]["layout"]["yaxis"]["title"]["text"] == "perplexity"


def test_names_are_text_and_nothing_else(shared_live: Live) -> None:
    client = shared_live.client
    name = '</script><b>bold & "quoted"</b>'
    job = submit(client, upload(client, table()), name=name)
    text = page(client, f"/jobs/{job['id']}")
    assert "<b>bold" not in text
    data = re.search(r'<script type="application/json" id="job"[^>]*>(.*?)</script>', text)
    assert data
    assert json.loads(data.group(1))["name"] == name
    ended(client, job["id"])
