"""/metrics and the log: what whoever runs a server sees of it."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.service.conftest import Live, live_server
from tests.service.journeys import ENDLESS, ended, submit, table, training, until, upload
from tests.service.test_authorisation import bearer
from tests.service.test_problems import problem

pytestmark = pytest.mark.xdist_group("metrics")

Numbers = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("metrics") / "home") as running:
        yield running


def scraped(live: Live) -> Numbers:
    """Every sample by its name and the values of its labels."""
    answer = live.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_jobs_trials_and_requests_are_counted(live: Live) -> None:
    before = scraped(live)
    job = submit(live.client, upload(live.client, table()))
    assert ended(live.client, job["id"])["state"] == "completed"
    counts = live.client.get(f"/v1/jobs/{job['id']}").json()["counts"]
    assert live.client.get("/v1/jobs/nothing").status_code == 404
    after = scraped(live)

    assert after["fallline_jobs", "completed"] == before.get(("fallline_jobs", "completed"), 0) + 1
    for outcome in ("completed", "diverged"):
        name = ("fallline_trials_total", outcome)
        assert after[name] - before[name] == counts[outcome]
    assert after["fallline_waves_total",] > before["fallline_waves_total",]
    assert after["fallline_workers",] == 1
    assert after["fallline_datasets",] == before["fallline_datasets",] + 1
    assert after["fallline_database_bytes",] > 100_000
    assert after["process_resident_memory_bytes",] > 1e7
    # By the template of the route: else each job would be a series of its own.
    asked = ("fallline_request_seconds_count", "GET", "/v1/jobs/{job_id}")
    assert after[*asked, "200"] >= 1
    assert after[*asked, "404"] == before.get((*asked, "404"), 0) + 1
    assert not any(job["id"] in label for name in after for label in name)


def test_open_streams_and_trials_under_way_are_counted(live: Live) -> None:
    job = submit(live.client, upload(live.client, table()), **ENDLESS)
    training(live.client, job["id"])
    with live.client.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        lines = stream.iter_lines()
        next(lines)
        until(lambda: scraped(live)["fallline_event_streams",] == 1)
        assert scraped(live)["fallline_trials_running",] >= 8
        assert live.client.post(f"/v1/jobs/{job['id']}/cancel").status_code == 200
        assert list(lines)
    until(lambda: scraped(live)["fallline_event_streams",] == 0)


def test_the_numbers_of_all_are_for_administrators(live: Live) -> None:
    assert problem(live.anonymous.get("/metrics"))["status"] == 401
    headers = bearer(live, owner="ann", scopes=["read", "submit"])
    assert problem(live.anonymous.get("/metrics", headers=headers))["status"] == 403


def test_each_line_of_a_json_log_is_an_object(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with live_server(tmp_path / "home", log_format="json") as live:
        live.client.get("/v1/jobs", headers={"X-Request-ID": "abc"}, params={"name": "secret"})
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line]
    (line,) = (each for each in said if each.get("request_id") == "abc")
    assert (line["level"], line["logger"]) == ("INFO", "service.access")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/jobs", 200)
    assert 0 < line["seconds"] < 30
    assert line["time"].endswith("+00:00")
    assert "secret" not in json.dumps(said)
    assert {each["level"] for each in said} <= {logging.getLevelName(n) for n in (20, 30)}
