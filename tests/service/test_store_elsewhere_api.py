"""Tuning with the datasets on an S3 server: what users see, across restarts and outages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.conftest import Live, live_server
from tests.service.journeys import Json, contents, ended, job, submit, table, until, upload
from tests.service.object_servers import BUCKET, S3Server, s3_server
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("store_elsewhere"), pytest.mark.timeout(300)]

URL = f"s3://{BUCKET}/datasets"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def live(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("elsewhere") / "home", store=URL) as running:
        yield running


def forget_copies(live: Live) -> None:
    for copy in live.services.settings.blob_folder.iterdir():
        copy.unlink()


def when_done(live: Live, address: str) -> Json | None:
    answer = live.client.post(address)
    return answer.json() if answer.is_success else None


def test_a_job_can_be_repeated_by_a_server_with_an_empty_cache(
    s3: S3Server, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with live_server(home, store=URL) as live:
        dataset = upload(live.client, table())
        assert s3.files().keys() == {f"{BUCKET}/datasets/{dataset['digest']}"}
        first = ended(live.client, submit(live.client, dataset)["id"])
        assert first["state"] == "completed"
    shutil.rmtree(home / "cache")
    with live_server(home, store=URL) as live:
        address = f"/v1/jobs/{first['id']}/trials/{first['best_trial']}/replay"
        replayed = until(lambda: when_done(live, address))
        assert replayed["matches"] is True
        assert [path.name for path in (home / "cache").iterdir()] == [dataset["digest"]]
        again = ended(live.client, submit(live.client, dataset)["id"])
        assert again["best_value"] == first["best_value"]
        for done in (first, again):
            assert live.client.delete(f"/v1/jobs/{done['id']}").status_code == 204
        assert live.client.delete(f"/v1/datasets/{dataset['id']}").status_code == 204
        assert (s3.files(), list((home / "cache").iterdir())) == ({}, [])


def test_while_the_store_is_away_requests_are_refused_and_nothing_changes(
    live: Live, s3: S3Server
) -> None:
    dataset = upload(live.client, table(70))
    forget_copies(live)
    before, held = contents(live.services), s3.files()
    s3.stop()
    try:
        for answer in (
            live.client.post("/v1/datasets", params={"name": "table"}, content=table(71)),
            live.client.get(f"/v1/datasets/{dataset['id']}"),
            live.client.delete(f"/v1/datasets/{dataset['id']}"),
        ):
            body = problem(answer)
            assert (body["status"], body["field"], body["value"]) == (503, "FALLLINE_STORE", URL)
            assert "Retry-After" in answer.headers
            assert "secret" not in answer.text
        assert contents(live.services) == before
    finally:
        s3.start()
    assert s3.files() == held
    assert live.client.delete(f"/v1/datasets/{dataset['id']}").status_code == 204


def test_a_job_waits_for_its_store(
    live: Live, s3: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "service.runner")  # a cluster that runs beside has raised it
    dataset = upload(live.client, table(72))
    forget_copies(live)
    s3.stop()
    try:
        queued = submit(live.client, dataset)["id"]
        until(lambda: f"job {queued} waits for the store" in caplog.text)
        assert job(live.client, queued)["state"] == "running"
    finally:
        s3.start()
    assert ended(live.client, queued)["state"] == "completed"


def test_what_was_refused_leaves_nothing_there(s3: S3Server, tmp_path: Path) -> None:
    with live_server(tmp_path / "home", store=URL, quota_bytes=10) as live:
        before = s3.files()
        answer = live.client.post("/v1/datasets", params={"name": "table"}, content=table(73))
        assert problem(answer)["status"] == 429
        assert s3.files() == before
        assert list((tmp_path / "home" / "cache").iterdir()) == []


def test_bytes_stay_while_another_dataset_has_them(live: Live, s3: S3Server) -> None:
    first, second = (upload(live.client, table(74), name=name) for name in ("one", "two"))
    assert live.client.delete(f"/v1/datasets/{first['id']}").status_code == 204
    forget_copies(live)
    assert len(live.client.get(f"/v1/datasets/{second['id']}").json()["first_rows"]) == 5
    assert live.client.delete(f"/v1/datasets/{second['id']}").status_code == 204
    assert f"{BUCKET}/datasets/{second['digest']}" not in s3.files()
