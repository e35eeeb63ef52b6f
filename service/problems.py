"""Errors as HTTP answers: RFC 9457 problem+json, from every route and every middleware.

TRANSLATIONS is the only place where another library's error becomes one of ours.
"""

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from optimizers.errors import OptimizerError
from service.errors import (
    BadRequest,
    FieldProblem,
    Invalid,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    Unauthorized,
    Unavailable,
)
from service.login_page import login_page
from service.navigation import around
from service.rendering import POLICY, render
from studies.errors import StudyError

logger = logging.getLogger(__name__)

VALUE_CHARACTERS = 100
TEXT_CHARACTERS = 500  # of a sentence or a field's name, in which a value may stand
FIELDS = 50  # that are told of one request
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# Where FastAPI says a parameter was found; the body's fields are named from the body itself.
PLACES = {"body", "query", "path", "header", "cookie"}


def install(app: FastAPI) -> None:
    """Answer every error of a FastAPI application with a problem."""
    for kind in (ServiceError, Exception, *TRANSLATIONS):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == MethodNotAllowed.status:
        error.headers = {"Allow": ", ".join(_methods(request))}
    return respond(request.scope, error)


def _methods(request: Request) -> list[str]:
    """What an address answers to; the router tells those of the first route that it comes to."""
    routes = request.app.router.routes
    return [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes
        )
    ]


def respond(scope: Scope, error: Exception) -> Response:
    """The answer to a request that ended in an error.

    What is not an error of the user is logged with the request's id, which the answer also
    carries; the answer itself tells nothing about our insides.
    """
    problem = translate(error)
    request_id = str(scope.get("state", {}).get("request_id", ""))
    if problem.status >= 500:
        trace = None if error is problem else error  # we raised it ourselves, and know where
        logger.error(
            "request %s failed: %s",
            request_id,
            problem.detail,
            exc_info=trace,
            extra={"request_id": request_id},
        )
    if _is_page_view(scope):
        if isinstance(problem, Unauthorized):
            answer = login_page(_address(scope), status=problem.status)
            answer.headers.update(problem.headers)
            return answer
        if not scope["path"].startswith("/v1/"):
            return _problem_page(scope, problem, request_id)
    # Escaped to ASCII: half a surrogate pair, which JSON allows, cannot be encoded otherwise.
    return Response(
        json.dumps(_body(problem, request_id), allow_nan=False),
        status_code=problem.status,
        headers=problem.headers,
        media_type="application/problem+json",
    )


def _problem_page(scope: Scope, problem: ServiceError, request_id: str) -> Response:
    detail = _cut(problem.detail, TEXT_CHARACTERS)
    principal = scope.get("state", {}).get("principal")
    surroundings = around(principal, scope["path"]) if principal else {"owner": None}
    body = render(
        "problem.html", problem=problem, detail=detail, request_id=request_id, **surroundings
    )
    headers = problem.headers | {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return HTMLResponse(body, problem.status, headers=headers)


def translate(error: Exception) -> ServiceError:
    """The error of ours that an error stands for."""
    if isinstance(error, ServiceError):
        return error
    for kind in type(error).__mro__:
        if kind in TRANSLATIONS:
            return TRANSLATIONS[kind](error)
    return ServiceError("Something went wrong on our side; the server's log has the details.")


def rejected(error: ValidationError, body: object) -> RequestValidationError:
    """What FastAPI would have raised for a body that does not fit its model."""
    found = [each | {"loc": ("body", *each["loc"])} for each in error.errors()]
    return RequestValidationError(found, body=body)


def _body(problem: ServiceError, request_id: str) -> dict[str, object]:
    body: dict[str, object] = {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": _cut(problem.detail, TEXT_CHARACTERS),
        **_field(problem),
    }
    if problem.errors:
        body["errors"] = [
            _field(each) | {"message": _cut(each.message, TEXT_CHARACTERS)}
            for each in problem.errors[:FIELDS]
        ]
    return body | {"request_id": request_id}


def _field(problem: ServiceError | FieldProblem) -> dict[str, object]:
    parts: dict[str, object] = {}
    if problem.field:
        parts["field"] = _cut(problem.field, TEXT_CHARACTERS)
    if problem.value is not None:
        parts["value"] = shorten(problem.value)
    if problem.allowed is not None:
        parts["allowed"] = json.loads(json.dumps(problem.allowed, default=str))
    return parts


def shorten(value: object) -> object:
    """What was received, as something JSON can hold that is not longer than is useful."""
    try:
        text = json.dumps(value, default=str, allow_nan=False, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):  # not finite, odd keys, endless
        return repr(value)[:VALUE_CHARACTERS]
    if len(text) <= VALUE_CHARACTERS:
        short: object = json.loads(text)
        return short
    return _cut(value if isinstance(value, str) else text, VALUE_CHARACTERS)


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def _is_page_view(scope: Scope) -> bool:
    """Whether a browser goes there; what scripts send accepts anything, and what is no HTTP nothing."""
    headers = scope.get("headers", ())
    return any(name == b"accept" and b"text/html" in value for name, value in headers)


def _address(scope: Scope) -> str:
    """Where a browser was going; without the query, in which there may be a token."""
    is_form = scope["method"] not in {"GET", "HEAD"}
    return "/" if is_form or scope["path"] == "/login" else str(scope["path"])


def _input_error(error: StudyError | OptimizerError) -> ServiceError:
    return Invalid(str(error), field=error.field, value=error.value, allowed=error.allowed)


def _http_exception(error: HTTPException) -> ServiceError:
    headers = dict(error.headers or {})
    if error.status_code == MethodNotAllowed.status:
        allowed = headers.get("Allow", "another method")
        return MethodNotAllowed(f"This address answers to {allowed}.", headers=headers)
    if error.status_code == Unauthorized.status:
        return Unauthorized(error.detail)
    if error.status_code == NotFound.status:
        return NotFound("There is nothing at this address.")
    for kind in ServiceError.__subclasses__():
        if kind.status == error.status_code and kind is not Unavailable:
            return kind(error.detail, headers=headers)
    return BadRequest(error.detail) if error.status_code < 500 else ServiceError(error.detail)


def _disconnect(_error: ClientDisconnect) -> ServiceError:
    return BadRequest("The connection ended before the request had arrived.")


def _no_connection(_error: PoolTimeout) -> ServiceError:
    return Unavailable("The database is busy. Nothing was changed; try again.")


def _rejected_request(error: RequestValidationError) -> ServiceError:
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return BadRequest("The body is not valid JSON.")
    problems = _merge(_field_problem(each, error.body) for each in error.errors())
    first = problems[0]
    more = f" ({len(problems) - 1} more in `errors`.)" if len(problems) > 1 else ""
    where = f"{first.field}: " if first.field else ""
    return Invalid(
        f"{where}{first.message}.{more}",
        field=first.field,
        value=first.value,
        allowed=first.allowed,
        errors=problems,
    )


def _field_problem(error: Any, body: object) -> FieldProblem:
    message = error["msg"].removeprefix("Value error, ")
    allowed = message.removeprefix("Input should be ") if "should be" in message else None
    if error["type"] == "string_pattern_mismatch":
        allowed = f"text that matches {error['ctx']['pattern']}"
    if error["type"] == "too_short":
        allowed = f"a list of {error['ctx']['min_length']} or more"
    missing = error["type"] == "missing"
    return FieldProblem(
        field=".".join(_path(error["loc"], body)),
        message=message,
        value=None if missing else error["input"],
        allowed=allowed,
    )


def _path(location: tuple[str | int, ...], body: object) -> Iterable[str]:
    place, *parts = location if location and location[0] in PLACES else ("", *location)
    if place != "body":
        return [str(part) for part in parts]
    # Pydantic adds the names of the alternatives it tried. Only what the body holds, and
    # the last part, which it may lack, are fields.
    fields: list[str] = []
    for index, part in enumerate(parts):
        if _holds(body, part):
            body = body[part]  # type: ignore[index]
        elif index < len(parts) - 1 or not isinstance(body, dict):
            continue
        fields.append(str(part))
    return fields


def _holds(body: object, part: str | int) -> bool:
    if isinstance(body, dict):
        return part in body
    return isinstance(body, list) and isinstance(part, int) and part < len(body)


def _merge(problems: Iterable[FieldProblem]) -> list[FieldProblem]:
    """One problem for each field: alternatives that all failed become one sentence."""
    merged: dict[str, FieldProblem] = {}
    for new in problems:
        old = merged.get(new.field)
        if old is None:
            merged[new.field] = new
        elif old.allowed and new.allowed:
            allowed = f"{old.allowed}, or {new.allowed}"
            merged[new.field] = FieldProblem(
                new.field, f"Input should be {allowed}", old.value, allowed
            )
    return list(merged.values())


TRANSLATIONS: dict[type[BaseException], Callable[[Any], ServiceError]] = {
    ClientDisconnect: _disconnect,
    HTTPException: _http_exception,
    OptimizerError: _input_error,
    PoolTimeout: _no_connection,
    RequestValidationError: _rejected_request,
    StudyError: _input_error,
}
