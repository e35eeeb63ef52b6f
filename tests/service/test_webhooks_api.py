"""Word of jobs reaches real receivers: signed, once each failure is over, across restarts."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from service import delivery, outbox
from service.database import Database
from service.tables import deliveries, jobs, now
from service.webhooks import Receivers
from tests.service.conftest import Live, listen, live_server
from tests.service.journeys import ENDLESS, ended, job, submit, table, training, until, upload
from tests.service.receivers import SECRET, Receiver
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("webhooks_api"), pytest.mark.timeout(300)]

ALL = ["completed", "failed", "cancelled", "best"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


@pytest.fixture(scope="module")
def shared() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


def told(receiver: Receiver) -> dict[str, Any]:
    """Settings of a server that may send to it."""
    return {"webhook_hosts": receiver.origin, "webhook_secret": SecretStr(SECRET)}


@pytest.fixture(scope="module")
def live(shared: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("webhooks") / "home", **told(shared)) as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for minutes in a test; the schedule itself has a test of its own."""
    monkeypatch.setattr(delivery, "FIRST_DELAY_SECONDS", 0.05)


def waiting(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(deliveries)).scalar_one()


def of(receiver: Receiver, job_id: str) -> list[dict[str, Any]]:
    return [message for message in receiver.messages if message["data"]["job"] == job_id]


def test_the_end_and_every_new_best_are_told_with_a_signature(live: Live, shared: Receiver) -> None:
    dataset = upload(live.client, table())
    webhook = {"url": f"{shared.origin}/hook?of=mine", "events": ALL}
    done = ended(live.client, submit(live.client, dataset, webhook=webhook, name="mine")["id"])
    assert done["webhook"] == webhook
    until(lambda: waiting(live.services.database) == 0)
    found = of(shared, done["id"])
    assert [message["type"] for message in found[-1:]] == ["job.completed"]
    assert {message["type"] for message in found[:-1]} == {"job.best"}
    assert found[-1]["data"] == {
        "job": done["id"], "name": "mine", "dataset": dataset["id"], "state": "completed",
        "metric": done["metric"], "direction": "minimize", "best_value": done["best_value"],
        "best_trial": done["best_trial"],
    }  # fmt: skip
    values = [message["data"]["best_value"] for message in found[:-1]]
    assert values == sorted(values, reverse=True)
    assert values[-1] == done["best_value"]
    assert len({message["id"] for message in found}) == len(found)
    assert set(shared.paths) == {"/hook?of=mine"}


@pytest.mark.usefixtures("quick")
def test_a_failing_receiver_gets_it_again_under_the_same_id(live: Live, shared: Receiver) -> None:
    dataset = upload(live.client, table())
    webhook = {"url": f"{shared.origin}/hook", "events": ["cancelled"]}
    shared.answers = [500, 302]
    queued = submit(live.client, dataset, webhook=webhook, **ENDLESS)["id"]
    training(live.client, queued)
    live.client.post(f"/v1/jobs/{queued}/cancel")
    error = until(lambda: job(live.client, queued)["webhook_error"])
    assert error.startswith("the receiver answered ")
    until(lambda: waiting(live.services.database) == 0)
    found = of(shared, queued)
    assert [message["type"] for message in found] == ["job.cancelled"] * 3
    assert len({message["id"] for message in found}) == 1
    assert "/elsewhere" not in shared.paths
    assert job(live.client, queued)["webhook_error"] is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://169.254.169.254/latest/meta-data", "is no address of an allowed receiver"),
        ("http://localhost:1/", "is no address of an allowed receiver"),
    ],
)
def test_what_is_not_listed_is_refused(live: Live, shared: Receiver, url: str, why: str) -> None:
    dataset = upload(live.client, table())
    for path in ("/v1/jobs", "/v1/jobs:estimate"):
        body = problem(
            live.client.post(path, json={"dataset": dataset["id"], "webhook": {"url": url}})
        )
        assert (body["status"], body["field"], body["value"]) == (422, "webhook.url", url)
        assert why in body["detail"]
        assert body["allowed"] == [shared.origin]


def test_webhooks_are_off_unless_there_are_hosts(shared_live: Live) -> None:
    dataset = upload(shared_live.client, table())
    webhook = {"url": "https://hooks.example.org/"}
    answer = shared_live.client.post(
        "/v1/jobs", json={"dataset": dataset["id"], "webhook": webhook}
    )
    body = problem(answer)
    assert (body["status"], body["field"]) == (422, "webhook.url")
    assert "webhooks are off" in body["detail"]


def test_what_was_committed_is_told_by_the_next_server(tmp_path: Path) -> None:
    receiver = Receiver()  # does not take anything yet
    home = tmp_path / "home"
    with live_server(home) as live:  # sends nothing: as if it had ended right after the commit
        dataset = upload(live.client, table())
        queued = submit(live.client, dataset)["id"]
        database = live.services.database
        with database.write() as connection:
            webhook = {"url": f"{receiver.origin}/hook", "events": ["completed"]}
            connection.execute(update(jobs).where(jobs.c.id == queued).values(webhook=webhook))
        assert ended(live.client, queued)["state"] == "completed"
        assert waiting(database) == 1
    with receiver.running(), live_server(home, **told(receiver)) as live:
        until(lambda: waiting(live.services.database) == 0)
        assert receiver.types() == ["job.completed"]
        assert job(live.client, queued)["webhook_error"] is None


@pytest.mark.usefixtures("quick")
def test_a_deleted_job_sends_no_more(tmp_path: Path) -> None:
    receiver = Receiver()
    with live_server(tmp_path / "home", **told(receiver)) as live:
        dataset = upload(live.client, table())
        webhook = {"url": f"{receiver.origin}/hook"}
        with receiver.running():
            receiver.answers = [503] * 1000
            done = ended(live.client, submit(live.client, dataset, webhook=webhook)["id"])
            until(lambda: receiver.messages)
            assert live.client.delete(f"/v1/jobs/{done['id']}").status_code == 204
            assert waiting(live.services.database) == 0


def test_the_schedule_backs_off_and_gives_up_after_a_day(live: Live, shared: Receiver) -> None:
    dataset = upload(live.client, table())
    webhook = {"url": f"{shared.origin}/late", "events": ["completed"]}
    shared.answers = [503] * 10_000
    done = ended(live.client, submit(live.client, dataset, webhook=webhook)["id"])
    until(lambda: job(live.client, done["id"])["webhook_error"])
    database = live.services.database
    with database.write() as connection:
        created = now() - outbox.KEPT - timedelta(seconds=1)
        connection.execute(update(deliveries).values(created=created, due=now()))
    until(lambda: waiting(database) == 0)
    shared.answers = []
    error = job(live.client, done["id"])["webhook_error"]
    assert error == "given up after a day: the receiver answered 503"


def test_the_waits_grow_from_seconds_to_hours() -> None:
    waits = [delivery.wait_after(attempts).total_seconds() for attempts in range(8)]
    assert waits == sorted(waits)
    assert waits[-2:] == [7200.0, 7200.0]


def test_a_receiver_that_does_not_answer_is_left_after_five_seconds() -> None:
    with listen() as listener:  # and never answer
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        message: Any = SimpleNamespace(id="1", url=f"{origin}/hook", body="{}")
        began = time.monotonic()
        error = asyncio.run(delivery._send(message, Receivers([origin]), b"key"))
    assert error == "the receiver did not answer within 5 seconds"
    assert 4 < time.monotonic() - began < 8
