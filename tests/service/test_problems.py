import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from optimizers.errors import OptimizerError, UnknownName
from service import problems
from service.errors import FieldProblem, Invalid, ServiceError
from service.gate import Gate
from service.settings import Settings
from studies.errors import StudyError, unknown
from studies.spec import StudySpec
from tests.service.conftest import listen, serving


def family(kind: type[Any]) -> list[type[Any]]:
    return [kind, *(each for child in kind.__subclasses__() for each in family(child))]


def bare(kind: type[Exception], *given: object, **named: object) -> Exception:
    """An error made as its base is made, whatever its own signature."""
    base = StudyError if issubclass(kind, StudyError) else OptimizerError
    error = kind.__new__(kind)
    base.__init__(error, *given, **named)  # type: ignore[arg-type]
    return error


OWN = [kind for kind in family(ServiceError) if "status" in vars(kind)]
"""Those with a status of their own, and not that of their base."""

ERRORS: dict[str, Exception] = {
    **{kind.__name__: kind("What happened.") for kind in family(ServiceError)},
    **{
        kind.__name__: bare(kind, "Not good.", field="space", value=3, allowed=[1, 2])
        for kind in family(StudyError)
    },
    **{
        kind.__name__: bare(kind, "adam.beta1", "1.5", ["0 to 1"])
        for kind in family(OptimizerError)
    },
    "sql": OperationalError("SELECT", {}, Exception("no such table: secret")),
    "pool": PoolTimeout("QueuePool limit of secret"),
    "gone": ClientDisconnect(),
    "teapot": HTTPException(418, "I am a teapot"),
    "outside": HTTPException(409, "Twice"),
    "bug": RuntimeError("secret value in /some/path"),
    "suggestion": UnknownName("optimizer", "adma", ["adam", "lion"]),
    "study suggestion": unknown("space.optimizers", "adma", ["adam", "lion"]),
    "many": Invalid("Two.", errors=[FieldProblem("a", "bad"), FieldProblem("b", "bad", 1, "2")]),
}
STATUS = {
    "sql": 500, "pool": 503, "gone": 400, "teapot": 400,
    "outside": 409, "bug": 500, "suggestion": 422, "study suggestion": 422, "many": 422,
}  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    app = FastAPI()
    problems.install(app)

    @app.get("/raise/{name}")
    def fail(name: str) -> None:
        raise ERRORS[name]

    @app.post("/spec")
    def spec(body: StudySpec, limit: int = 10) -> None:
        pass

    @app.get("/half")
    def half() -> StreamingResponse:
        def chunks() -> Iterator[bytes]:
            yield b"begun"
            raise RuntimeError("secret")

        return StreamingResponse(chunks())

    listener = listen()
    settings = Settings(home=Path("unused"), port=listener.getsockname()[1])
    gate = Gate(app, settings.allowed_hosts, lambda *_: None)
    with (
        serving(gate, settings, listener, threading.Event()) as address,
        httpx.Client(base_url=address, timeout=30) as http,
    ):
        yield http


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body.keys() >= {"type", "title", "status", "detail", "request_id"}
    assert body.keys() <= {
        "type", "title", "status", "detail", "request_id", "field", "value", "allowed", "errors",
    }  # fmt: skip
    assert body["status"] == response.status_code
    assert body["type"].startswith("/problems/")
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"
    return body


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_answered_with_a_problem(client: httpx.Client, name: str) -> None:
    error = ERRORS[name]
    body = problem(client.get(f"/raise/{name}"))
    if isinstance(error, ServiceError):
        assert body["status"] == error.status
        assert body["type"] == f"/problems/{error.slug}"
        assert body["detail"] == error.detail
    elif isinstance(error, StudyError | OptimizerError):
        assert body["status"] == 422
        expected = (error.field, error.value, error.allowed)
        assert (body["field"], body["value"], body["allowed"]) == expected
    else:
        assert body["status"] == STATUS[name]
    assert "secret" not in json.dumps(body)
    assert "Traceback" not in json.dumps(body)


def test_every_kind_of_problem_has_its_own_name_and_status() -> None:
    assert len({kind.slug for kind in OWN}) == len({kind.status for kind in OWN}) == len(OWN)
    assert all(kind.title for kind in OWN)


def test_headers_tell_the_way_out(client: httpx.Client) -> None:
    assert client.get("/raise/Unauthorized").headers["www-authenticate"].startswith("Bearer")
    assert client.get("/raise/Unavailable").headers["retry-after"] == "1"
    assert client.get("/raise/DatabaseAway").headers["retry-after"] == "1"
    assert client.put("/spec").headers["allow"] == "POST"


def test_a_bug_is_logged_with_the_id_that_the_answer_carries(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR", "service.problems")  # a cluster that runs beside has raised it
    response = client.get("/raise/bug", headers={"X-Request-ID": "my-id.1"})
    assert problem(response)["request_id"] == "my-id.1"
    failed = [record for record in caplog.records if record.levelname == "ERROR"]
    (said,) = [record.getMessage() for record in failed]
    assert said.startswith("request my-id.1 failed: Something went wrong")
    assert failed[0].exc_info is not None
    assert failed[0].exc_info[1] is ERRORS["bug"]


def test_an_answer_that_breaks_off_is_not_taken_for_whole(client: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/half")


@pytest.mark.parametrize(
    ("body", "field", "value", "allowed"),
    [
        ({"sampler": "tpee"}, "sampler", "tpee", "'model', 'tpe', 'sobol' or 'random'"),
        ({"budget": {"trials": 0}}, "budget.trials", 0, "greater than or equal to 1"),
        ({"model": {"hidden": [8, -1]}}, "model.hidden.1", -1, "greater than or equal to 1"),
        (
            {"space": {"optimizers": 5}},
            "space.optimizers",
            5,
            "'all' or 'classic', or a valid list",
        ),
        ({"space": {"learning_rate": {"low": 1}}}, "space.learning_rate.high", None, None),
        ({"colour": "blue"}, "colour", "blue", None),
        ({"target": "x" * 500}, None, None, None),
    ],
)
def test_a_refused_field_is_named_as_the_body_names_it(
    client: httpx.Client, body: object, field: str | None, value: object, allowed: str | None
) -> None:
    response = client.post("/spec", json=body)
    if field is None:
        assert response.status_code == 200
        return
    answer = problem(response)
    assert answer["status"] == 422
    assert (answer["field"], answer.get("value"), answer.get("allowed")) == (field, value, allowed)
    assert answer["errors"][0]["field"] == field
    assert answer["errors"][0]["message"]


def test_every_refused_field_is_listed(client: httpx.Client) -> None:
    response = client.post("/spec?limit=many", json={"sampler": 1, "seed": -1})
    answer = problem(response)
    assert [each["field"] for each in answer["errors"]] == ["limit", "sampler", "seed"]
    assert "2 more in `errors`" in answer["detail"]


def test_a_rule_between_fields_says_what_it_is(client: httpx.Client) -> None:
    answer = problem(client.post("/spec", json={"space": {"learning_rate": {"low": 2, "high": 1}}}))
    assert answer["field"] == "space.learning_rate"
    assert answer["detail"] == "space.learning_rate: low must be below high; got low=2.0, high=1.0."


@pytest.mark.parametrize(
    "content",
    [
        b"{", b"\xff\xfe", b"", b"[" * 100_000, b"null", b'"text"', b"1" * 5000,
        b'{"seed": NaN}', b'{"seed": -Infinity}', b'{"sampler": "\\ud800"}', b'{"\\ud800": 1}',
        b'{"sampler": ' + b'[' * 200 + b']' * 200 + b"}", b'{"sampler": "' + b"x" * 10_000 + b'"}',
    ],
)  # fmt: skip
def test_nothing_in_a_body_breaks_the_answer(client: httpx.Client, content: bytes) -> None:
    response = client.post("/spec", content=content, headers={"Content-Type": "application/json"})
    assert problem(response)["status"] in {400, 422}
    assert len(response.content) < 2000


@pytest.mark.parametrize(
    "value",
    [None, 3, "short", [1, 2], {"a": 1}, float("nan"), "x" * 1000, list(range(1000)), b"raw",
     {(1, 2): 3}, 10**200, object()],
)  # fmt: skip
def test_a_value_is_echoed_short_and_as_json(value: object) -> None:
    assert len(json.dumps(problems.shorten(value), allow_nan=False)) < 120


def test_short_values_are_echoed_as_they_are() -> None:
    for value in (3, 2.5, True, "text", [1, "a"], {"a": None}):
        assert problems.shorten(value) == value
