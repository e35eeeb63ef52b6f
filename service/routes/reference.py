"""GET /v1/openapi.json and /v1/docs: the API described for programs and for people.

The page is made here. The usual one loads its script from another site, and that script
would act with the login of whoever reads the page.
"""

import json
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service.openapi import METHODS

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
def openapi(request: Request) -> dict[str, Any]:
    """The OpenAPI document."""
    document: dict[str, Any] = request.app.openapi()
    return document


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """The same, to read."""
    return HTMLResponse(
        render(request.app.openapi()),
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )


def render(document: dict[str, Any]) -> str:
    """Lay an OpenAPI document out as a page without scripts."""
    operations = [
        _operation(method, path, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]
    shared = [
        f"<h2>{kind.capitalize()}</h2>"
        + "".join(f"<h3>{escape(name)}</h3>{_json(each)}" for name, each in components.items())
        for kind, components in document["components"].items()
    ]
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "pre{overflow:auto;padding:1rem;background:#f4f4f4}</style></head>"
        f"<body><h1>{title}</h1>"
        f"<p>{escape(document['info']['description'])}</p>"
        '<p>Machine-readable: <a href="/v1/openapi.json">/v1/openapi.json</a></p>'
        f"{''.join(operations)}{''.join(shared)}</body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    details = {
        name: operation[name]
        for name in ("parameters", "requestBody", "responses")
        if name in operation
    }
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(operation['summary'])}.</p><p>{escape(operation.get('description', ''))}</p>"
        f"<details><summary>Request and answers</summary>{_json(details)}</details>"
    )


def _json(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2))}</pre>"
