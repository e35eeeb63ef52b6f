import contextlib
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from service import jobs, tokens
from tests.service.conftest import Live, live_server
from tests.service.journeys import ENDLESS, Json, ended, submit, table, training, upload, walk
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


def stream(client: httpx.Client, job_id: str, **headers: str) -> list[ServerSentEvent]:
    """All events until the stream ends."""
    with connect_sse(client, "GET", f"/v1/jobs/{job_id}/events", headers=headers) as source:
        assert source.response.status_code == 200
        return [event for event in source.iter_sse() if event.data]  # else a comment


def split(events: list[ServerSentEvent]) -> tuple[list[Json], list[Json]]:
    """The trials and the jobs that were told of."""
    assert {event.event for event in events} <= {"trial", "job"}
    told: dict[str, list[Json]] = {"trial": [], "job": []}
    for event in events:
        told[event.event].append(event.json())
    return told["trial"], told["job"]


def test_a_job_is_followed_from_its_post_to_its_end(shared_live: Live) -> None:
    client = shared_live.client
    job = submit(client, upload(client, table()))
    events = stream(client, job["id"])
    trials, views = split(events)
    assert trials == walk(client, f"/v1/jobs/{job['id']}/trials")
    marks = [int(event.id) for event in events if event.event == "trial"]
    assert marks == sorted(set(marks))
    assert [view["state"] for view in views[:-1]] == sorted(
        (view["state"] for view in views[:-1]), key=["queued", "running"].index
    )
    assert views[-1] == client.get(f"/v1/jobs/{job['id']}").json()
    assert views[-1]["state"] == "completed"
    assert all(before != after for before, after in pairwise(views))


def test_who_comes_back_hears_of_no_trial_twice(shared_live: Live) -> None:
    client = shared_live.client
    job = submit(client, upload(client, table()))
    ended(client, job["id"])
    everything = stream(client, job["id"])
    marks = [event.id for event in everything if event.event == "trial"]
    again = stream(client, job["id"], **{"Last-Event-ID": marks[4]})
    assert [event.id for event in again if event.event == "trial"] == marks[5:]
    assert [trial["number"] for trial in split(again)[0]] == [5, 6, 7]
    assert split(again)[1] == split(everything)[1]

    # A browser's first request can name it in the address alone; what it has heard since then counts.
    address = f"/v1/jobs/{job['id']}/events?after={marks[2]}"
    for headers, heard in ({}, marks[3:]), ({"Last-Event-ID": marks[5]}, marks[6:]):
        with connect_sse(client, "GET", address, headers=headers) as source:
            assert [event.id for event in source.iter_sse() if event.event == "trial"] == heard


@pytest.mark.parametrize("sent", ["-1", "last", "2147483648"])
def test_an_event_that_never_was_is_refused(shared_live: Live, sent: str) -> None:
    client = shared_live.client
    job = submit(client, upload(client, table()))
    answer = client.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": sent})
    found = problem(answer)
    assert (found["status"], found["field"]) == (422, "last-event-id"), found
    assert problem(client.get("/v1/jobs/nothing/events"))["status"] == 404


def test_the_stream_of_a_deleted_job_ends(shared_live: Live) -> None:
    client = shared_live.client
    job = submit(client, upload(client, table()), **ENDLESS)
    with connect_sse(client, "GET", f"/v1/jobs/{job['id']}/events") as source:
        events = source.iter_sse()
        assert next(events).json()["id"] == job["id"]
        with shared_live.services.database.write() as connection:
            jobs.cancel(connection, tokens.LOCAL_OWNER, job["id"])
            jobs.delete(connection, tokens.LOCAL_OWNER, job["id"])
        assert all(event.event == "trial" or event.json()["state"] == "running" for event in events)
    assert problem(client.get(f"/v1/jobs/{job['id']}"))["status"] == 404


def test_a_server_stops_however_many_follow_it(tmp_path: Path) -> None:
    told: list[Any] = []

    def follow(url: httpx.URL, headers: httpx.Headers, job_id: str) -> None:
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            told.append([event.json() for event in stream(client, job_id)])

    with contextlib.ExitStack() as stack:
        live = stack.enter_context(live_server(tmp_path))
        job = submit(live.client, upload(live.client, table()), **ENDLESS)
        training(live.client, job["id"])
        followers = [
            threading.Thread(
                target=follow, args=(live.client.base_url, live.client.headers, job["id"])
            )
            for _ in range(5)
        ]
        for follower in followers:
            follower.start()
        time.sleep(1.0)  # all of them are connected
        assert all(follower.is_alive() for follower in followers)
    for follower in followers:
        follower.join(timeout=60)
    assert len(told) == 5
    assert all(events[-1]["state"] == "running" for events in told)
