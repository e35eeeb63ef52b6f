import asyncio
from typing import Any

import pytest
from fastapi import FastAPI, Response
from starlette.types import Message, Scope

from service import shared_answers
from service.database import Database
from service.shared_answers import SharedAnswers
from service.tokens import Principal
from tests.service.conftest import Live
from tests.service.journeys import ended, submit, table, upload
from tests.service.test_problems import problem


class Inner:
    """An application that counts what it is asked, and takes a moment over it."""

    def __init__(self, content: bytes = b"{}", kind: str = "application/json") -> None:
        self.asked: list[str] = []
        self.content, self.kind, self.status = content, kind, 200
        self.fails = False
        self.app = FastAPI()
        self.app.add_api_route("/{path:path}", self._answer)

    async def _answer(self, path: str) -> Response:
        self.asked.append(path)
        await asyncio.sleep(0.02)
        if self.fails:
            raise ZeroDivisionError
        return Response(self.content, self.status, media_type=self.kind)


def scope(path: str = "/v1/jobs/1", owner: str = "me", query: bytes = b"") -> Scope:
    state = {"principal": Principal(owner, frozenset({"read"}), "token")}
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query,
        "headers": [],
        "state": state,
    }


async def ask(shared: SharedAnswers, asked: Scope) -> list[Message]:
    messages: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("nobody reads the body of a GET")

    async def send(message: Message) -> None:
        messages.append(message)

    await shared(asked, receive, send)
    return messages


def ask_all(shared: SharedAnswers, *asked: Scope) -> list[Any]:
    """All of them at the same time."""

    async def together() -> list[Any]:
        return await asyncio.gather(*(ask(shared, each) for each in asked), return_exceptions=True)

    return asyncio.run(together())


@pytest.fixture
def inner() -> Inner:
    return Inner()


def test_those_who_ask_at_once_share_one_answer(inner: Inner, database: Database) -> None:
    scopes = [scope() for _ in range(5)]
    answers = ask_all(SharedAnswers(inner.app, database), *scopes)
    assert len(inner.asked) == 1
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][1]["body"] == b"{}"
    assert {each["route"].path for each in scopes} == {"/{path:path}"}  # by which it is counted


def test_an_answer_is_repeated_until_something_is_written(inner: Inner, database: Database) -> None:
    shared = SharedAnswers(inner.app, database)
    ask_all(shared, scope())
    ask_all(shared, scope())
    assert len(inner.asked) == 1
    with database.write():
        pass
    ask_all(shared, scope())
    assert len(inner.asked) == 2


def test_an_answer_grows_old(
    inner: Inner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_answers, "KEPT_SECONDS", -1.0)
    shared = SharedAnswers(inner.app, database)
    ask_all(shared, scope())
    ask_all(shared, scope())
    assert len(inner.asked) == 2


def test_others_and_other_questions_have_answers_of_their_own(
    inner: Inner, database: Database
) -> None:
    ask_all(
        SharedAnswers(inner.app, database),
        scope(),
        scope(owner="you"),
        scope(query=b"limit=1"),
        scope("/v1/jobs/2"),
        scope("/v1/tokens"),
        scope("/v1/tokens"),
        scope("/v1/jobs/1/best"),
        scope("/v1/jobs/1/best"),
    )
    assert len(inner.asked) == 8


def test_what_is_not_for_all_is_made_for_each(inner: Inner, database: Database) -> None:
    for inner.content, inner.kind, inner.status in (
        (b"{}", "application/problem+json", 404),  # it holds the id of the request
        (b"a,b", "text/csv", 200),
        (b"0" * (shared_answers.LARGEST + 1), "application/json", 200),
    ):
        inner.asked.clear()
        answers = ask_all(SharedAnswers(inner.app, database), scope(), scope())
        assert len(inner.asked) == 2
        assert [answer[0]["status"] for answer in answers] == [inner.status] * 2
        assert [answer[1]["body"] for answer in answers] == [inner.content] * 2


def test_an_error_reaches_everybody(inner: Inner, database: Database) -> None:
    inner.fails = True
    shared = SharedAnswers(inner.app, database)
    answers = ask_all(shared, scope(), scope())
    assert [type(each) for each in answers] == [ZeroDivisionError] * 2
    inner.fails = False
    assert ask_all(shared, scope())[0][1]["body"] == b"{}"


def test_only_so_many_are_kept(
    inner: Inner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_answers, "MOST", 3)
    shared = SharedAnswers(inner.app, database)
    for number in range(10):
        ask_all(shared, scope(f"/v1/jobs/{number}"))
        assert len(shared._kept) <= 3


@pytest.mark.xdist_group("shared_live")
def test_who_changes_a_job_sees_it_changed(shared_live: Live) -> None:
    client = shared_live.client
    job = submit(client, upload(client, table()))
    ended(client, job["id"])
    for name in ("one", "two", "three"):
        assert client.patch(f"/v1/jobs/{job['id']}", json={"name": name}).status_code == 200
        for _ in range(2):
            assert client.get(f"/v1/jobs/{job['id']}").json()["name"] == name
            assert client.get("/v1/jobs", params={"limit": 1}).json()["items"][0]["name"] == name
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    ids = [problem(client.get(f"/v1/jobs/{job['id']}"))["request_id"] for _ in range(2)]
    assert len(set(ids)) == 2
