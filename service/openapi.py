"""The OpenAPI document: what FastAPI reads from the routes, and what all of them share.

A route says what is its own: parameters, bodies, answers, and a status that nothing else tells
(``responses={409: {}}``). Which errors an operation answers with beside that follows here from what
it takes; so no route lists them, and none forgets one.
"""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from service.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OutOfSpace,
    ServiceError,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)

Json = dict[str, Any]

KINDS: dict[int, type[ServiceError]] = {500: ServiceError} | {
    kind.status: kind for kind in ServiceError.__subclasses__()
}
METHODS = ("get", "post", "put", "patch", "delete")
TEXTS = frozenset(
    {"application/json", "application/yaml", "text/csv", "text/event-stream", "text/html", "text/x-python"}
)  # fmt: skip
DESCRIPTION = """\
Which optimizer, learning rate and decay schedule should I use on my data?

Every request but `GET /healthz` and `GET /readyz` carries a token: `Authorization: Bearer TOKEN`. An error is a problem
(RFC 9457) that names the field, the value and what is allowed. Lists come in pages: send the `next` of
one back as `cursor`. Parameters that an operation does not have are refused.
"""
TOKEN = "Of `fallline tokens` or `POST /v1/tokens`; a browser that has logged in sends its cookie instead."  # noqa: S105 (a description)
IDS = {
    "dataset_id": "Id of a dataset, as its upload answered.",
    "job_id": "Id of a job, as `POST /v1/jobs` answered.",
    "token_id": "Id of a token, as the list shows it.",
}
REQUEST_ID: Json = {
    "description": "Of this request: the one it was sent with, or a new one. The server's log has it.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"},
}
ANSWERS = {"200": "Done.", "201": "Made.", "204": "Done; the answer has no body."}
LOCATION: Json = {
    "headers": {"Location": {"description": "Path of what was made.", "schema": {"type": "string"}}}
}
"""What a 201 says beside its body, where what was made has an address."""
REPLAYED: Json = {
    "description": "Present where an earlier request with the same Idempotency-Key did it.",
    "schema": {"type": "string", "const": "true"},
}
FILE_NAME: Json = {
    "description": "The name under which to save it.",
    "schema": {"type": "string"},
}
RETRY_AFTER: Json = {
    "Retry-After": {
        "description": "Seconds to wait before the same request is sent again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
HEADERS: dict[type[ServiceError], Json] = {
    Unauthorized: {
        "WWW-Authenticate": {"description": "How to log in.", "schema": {"type": "string"}}
    },
    TooManyRequests: RETRY_AFTER,
    Unavailable: RETRY_AFTER,
}
FIELD: Json = {
    "field": {"type": "string", "description": "Dotted path of what was refused."},
    "value": {"description": "What was received, cut to a modest length."},
    "allowed": {"description": "What would have been accepted, in words or as a list."},
}
PROBLEM: Json = {
    "type": "object",
    "description": "An error, after RFC 9457.",
    "properties": {
        "type": {"type": "string", "description": "Stable name of the kind of problem."},
        "title": {"type": "string", "description": "The kind in words, the same every time."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "This occurrence in words."},
        **FIELD,
        "errors": {
            "type": "array",
            "description": "Every refused field, where there may be several.",
            "items": {
                "type": "object",
                "properties": FIELD | {"message": {"type": "string"}},
                "required": ["message"],
                "additionalProperties": False,
            },
        },
        "request_id": {"type": "string", "description": "Under which the server has logged it."},
    },
    "required": ["type", "title", "status", "detail", "request_id"],
    "additionalProperties": False,
}


class Api(FastAPI):
    """Our application, which describes itself completely."""

    def openapi(self) -> Json:
        """The document; the same at every call."""
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi())
        return self.openapi_schema


def complete(document: Json) -> Json:
    """Add to FastAPI's document, in place, what it does not know of."""
    for item in document["paths"].values():
        for method in METHODS:
            if method in item:
                _complete_operation(method, item[method])
    components = document["components"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["schemas"]["Problem"] = PROBLEM
    components["headers"] = {"X-Request-ID": REQUEST_ID}
    components["responses"] = {kind.__name__: _answer(kind) for kind in KINDS.values()}
    for scheme in components["securitySchemes"].values():
        scheme["description"] = TOKEN
    return document


def _complete_operation(method: str, operation: Json) -> None:
    summary, _, more = operation.pop("description", "").partition("\n\n")
    operation["summary"] = " ".join(summary.split()).removesuffix(".")
    if more:
        operation["description"] = more
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
        if parameter["name"] in IDS:
            parameter["description"] = IDS[parameter["name"]]
    answers = operation["responses"]
    for status, answer in answers.items():
        if int(status) < 400:
            _complete_success(status, answer, operation)
    kinds = {KINDS[int(status)] for status in answers if int(status) >= 400}
    for kind in sorted(kinds.union(_errors(method, operation)), key=lambda kind: kind.status):
        answers[str(kind.status)] = {"$ref": f"#/components/responses/{kind.__name__}"}
    operation["responses"] = dict(sorted(answers.items()))


def _complete_success(status: str, answer: Json, operation: Json) -> None:
    answer["description"] = ANSWERS[status]
    headers = answer.setdefault("headers", {})
    headers["X-Request-ID"] = {"$ref": "#/components/headers/X-Request-ID"}
    if _takes_a_key(operation):
        headers["Idempotent-Replayed"] = REPLAYED
    for media_type, content in answer.get("content", {}).items():
        if "itemSchema" in content:  # of OpenAPI 3.2, which few tools read
            content["schema"] = content.pop("itemSchema")
        elif media_type not in TEXTS:
            content["schema"] = {"type": "string", "format": "binary"}
        if media_type not in {"application/json", "text/event-stream"}:
            headers["Content-Disposition"] = FILE_NAME


def _errors(method: str, operation: Json) -> Iterable[type[ServiceError]]:
    """What an operation can answer by what it takes; what only it does, its route declares."""
    yield from (BadRequest, ServiceError, Unavailable)  # syntax, Host; a bug; a busy database
    if "security" in operation:
        # 422: a parameter that it does not have, at least.
        yield from (Unauthorized, Invalid, TooManyRequests)
    if method != "get":
        yield from (Forbidden, OutOfSpace)  # a token that only reads; a full disk
    if any(each["in"] == "path" for each in operation.get("parameters", ())):
        yield NotFound
    if _takes_a_key(operation):
        yield from (Conflict, NotFound)  # the key of another request; what it made has gone since
    if method in {"patch", "delete"}:
        yield Conflict  # a thing in use, or in another state
    if "requestBody" in operation:
        yield from (TooLarge, UnsupportedMedia)


def _without_null(schema: Json) -> Json:
    """A parameter that may be left out cannot be null: in an address that is a word."""
    kept: list[Json] = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kept) != 1:
        return schema
    return {name: each for name, each in schema.items() if name != "anyOf"} | kept[0]


def _takes_a_key(operation: Json) -> bool:
    return any(each["name"] == "idempotency-key" for each in operation.get("parameters", ()))


def _answer(kind: type[ServiceError]) -> Json:
    """The answer to any request that ends in an error of a kind."""
    headers = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}
    return {
        "description": f"{kind.title}.",
        "headers": headers | HEADERS.get(kind, {}),
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
