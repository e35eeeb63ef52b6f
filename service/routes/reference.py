"""GET /v1/openapi.json and /v1/docs: the API described for programs and for people.

The page is made here and runs no scripts. The usual one loads its script from another site, and that
script would act with the login of whoever reads the page.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service.login import CurrentPrincipal
from service.navigation import around
from service.openapi import METHODS
from service.rendering import render

router = APIRouter(include_in_schema=False)

Json = dict[str, Any]

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
    )
)
OTHER = "operations"  # of what has no tag
ANSWERS = "responses"


@dataclass(frozen=True)
class Operation:
    """One method of one address.

    Attributes:
        method: in capitals.
        path: with its parameters in braces.
        described: by the OpenAPI document.
        answers: by status, those of success.
        problems: by status, in words.
        example: a command that asks for it.
    """

    method: str
    path: str
    described: Json
    answers: Json
    problems: dict[str, str]
    example: str

    @property
    def anchor(self) -> str:
        """Its place in the page."""
        words = re.findall(r"\w+", self.path.removeprefix("/v1"))
        return "-".join([self.method.lower(), *words])


@router.get("/openapi.json")
def openapi(request: Request) -> Json:
    """The OpenAPI document."""
    document: Json = request.app.openapi()
    return document


@router.get("/docs")
def docs(request: Request, principal: CurrentPrincipal) -> HTMLResponse:
    """The same, to read."""
    document = request.app.openapi()
    origin = str(request.base_url).rstrip("/")
    body = render(
        "reference.html",
        info=document["info"],
        groups=groups(document, origin),
        schemas=document["components"]["schemas"],
        origin=origin,
        **around(principal, request.url.path),
    )
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return HTMLResponse(body, headers=headers)


def groups(document: Json, origin: str) -> dict[str, list[Operation]]:
    """The operations of an OpenAPI document by their tag.

    Args:
        document: complete.
        origin: of the server, for the examples.
    """
    found: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                tag = item[method].get("tags", [OTHER])[0]
                operation = _operation(document, origin, method, path, item[method])
                found.setdefault(tag, []).append(operation)
    return found


def _operation(document: Json, origin: str, method: str, path: str, described: Json) -> Operation:
    answers = {status: _resolved(document, each) for status, each in described[ANSWERS].items()}
    return Operation(
        method.upper(),
        path,
        described,
        answers={status: each for status, each in answers.items() if int(status) < 400},
        problems={
            status: each["description"].removesuffix(".")
            for status, each in answers.items()
            if int(status) >= 400
        },
        example=_example(document, origin, method, path, described),
    )


def _example(document: Json, origin: str, method: str, path: str, described: Json) -> str:
    """A command for a shell; what has to be filled in stands in capitals."""
    needed = [
        each["name"]
        for each in described.get("parameters", ())
        if each["in"] == "query" and each["required"]
    ]
    address = re.sub(r"{(\w+)}", lambda found: found[1].upper(), origin + path)
    if needed:
        address += "?" + "&".join(f"{name}={name.upper()}" for name in needed)
    words = ["curl"]
    if method not in {"get", "post"}:
        words.append(f"-X {method.upper()}")
    if "security" in described:
        words.append('-H "Authorization: Bearer $TOKEN"')
    body = _body(document, described)
    if method == "post" and not body:
        words.append("-X POST")
    return " ".join([*words, *body, f"'{address}'"])


def _body(document: Json, described: Json) -> list[str]:
    content = described.get("requestBody", {}).get("content", {})
    if not content:
        return []
    media_type, first = next(iter(content.items()))
    kind = f"-H 'Content-Type: {media_type}'"
    if media_type != "application/json":
        return [kind, "--data-binary @FILE"]
    schema = first["schema"]
    schema = _resolved(document, schema.get("oneOf", [schema])[0])
    example = schema.get("examples", [{}])[0]
    return [kind, f"-d '{json.dumps(example)}'"]


def _resolved(document: Json, part: Json) -> Json:
    """What a part of the document refers to, or the part itself."""
    for name in part.get("$ref", "").split("/")[1:]:
        document = document[name]
    return document if "$ref" in part else part
