"""What the server says of itself."""

from pathlib import Path

import pytest

from service.readiness import Obstacle, Readiness
from tests.service.conftest import Live, live_server
from tests.service.journeys import until
from tests.service.test_authorisation import bearer

pytestmark = pytest.mark.xdist_group("shared_live")


def test_it_says_that_all_is_well(shared_live: Live) -> None:
    until(lambda: shared_live.client.get("/readyz").status_code == 200)  # its worker has begun
    text = shared_live.client.get("/about").text
    health = shared_live.client.get("/healthz").json()
    assert f"Fallline {health['version']}" in text
    assert "This server is ready" in text
    assert text.count(">ready<") == 3
    assert "<dd>1 of 1</dd>" in text
    assert "SQLite" in text


def test_it_says_what_is_in_the_way(shared_live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [Obstacle("workers", "none is alive")]
    monkeypatch.setattr(Readiness, "obstacles", lambda _self: wrong)
    text = shared_live.client.get("/about").text
    assert "This server is not ready" in text
    assert "none is alive" in text
    assert text.count(">ready<") == 2


def test_limits_are_for_all_and_places_for_administrators(shared_live: Live) -> None:
    home = str(shared_live.services.settings.home)
    admins = shared_live.client.get("/about").text
    users = shared_live.anonymous.get("/about", headers=bearer(shared_live, owner="fay")).text
    assert home in admins
    assert 'href="/metrics"' in admins
    assert home not in users
    assert 'href="/metrics"' not in users
    for text in (admins, users):
        assert "1.07 GB" in text
        assert shared_live.services.token.get_secret_value() not in text


def test_limits_are_said_in_words(tmp_path: Path) -> None:
    with live_server(tmp_path / "home", quota_bytes=5 * 10**9, keep_jobs_days=30) as live:
        text = live.client.get("/about").text
    for value in ("5 GB", "30 days", "no limit", "365 days", "nowhere"):
        assert f"<td>{value}</td>" in text


def test_the_audit_log_shows_everybody_their_own(shared_live: Live) -> None:
    gus, hal = (bearer(shared_live, owner=owner) for owner in ("gus", "hal"))
    refused = shared_live.anonymous.delete("/v1/jobs/nothing", headers=gus)
    for name in ("one", "two"):
        shared_live.anonymous.post("/v1/tokens", json={"name": name}, headers=hal)
    text = shared_live.anonymous.get("/about/audit", headers=gus).text
    assert "DELETE /v1/jobs/nothing" in text
    assert "refused" in text
    assert refused.headers["x-request-id"] in text
    assert "POST /v1/tokens" not in text
    assert shared_live.client.get("/about/audit?of=hal").text.count("POST /v1/tokens<") == 2
    assert "/v1/jobs/nothing" in shared_live.client.get("/about/audit").text
    browser = gus | {"Accept": "text/html"}
    assert shared_live.anonymous.get("/about/audit?of=hal", headers=browser).status_code == 403
    assert shared_live.anonymous.get("/about/audit?of=gus", headers=browser).status_code == 200


def test_a_long_log_comes_in_pages(shared_live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.pages.about.AT_ONCE", 1)
    ivy = bearer(shared_live, owner="ivy")
    for name in ("one", "two"):
        shared_live.anonymous.delete(f"/v1/jobs/{name}", headers=ivy)
    first = shared_live.anonymous.get("/about/audit?of=ivy", headers=ivy).text
    assert "/v1/jobs/two" in first
    link = first.split('class="button" href="')[1].split('"')[0].replace("&amp;", "&")
    second = shared_live.anonymous.get(link, headers=ivy).text
    assert "/v1/jobs/one" in second
    assert "Older entries" not in second
