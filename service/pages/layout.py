"""What all pages share: what is around them, the policy."""

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from service.navigation import around
from service.rendering import POLICY, render
from service.tokens import Principal


def page(request: Request, principal: Principal, template: str, **context: Any) -> HTMLResponse:
    """A whole page.

    Args:
        request: that asked for it.
        principal: who did.
        template: that extends ``layout.html``.
        context: all that the template asks for.
    """
    return _answer(render(template, **around(principal, request.url.path), **context))


def fragment(template: str, **context: Any) -> HTMLResponse:
    """A part of a page, for its script to put in."""
    return _answer(render(template, **context))


def _answer(body: str) -> HTMLResponse:
    # What is shown belongs to whoever is logged in, and changes.
    return HTMLResponse(
        body, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    )
