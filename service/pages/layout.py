"""What all pages share: who is asking, the links on top, the policy."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from service.rendering import POLICY, render
from service.tokens import Principal


@dataclass(frozen=True)
class Link:
    """One place to go to.

    Attributes:
        address: of the page.
        label: what it is called.
        admin: whether it takes the scope admin.
    """

    address: str
    label: str
    admin: bool = False


LINKS = (
    Link("/", "Tune"),
    Link("/jobs", "Jobs"),
    Link("/datasets", "Datasets"),
    Link("/optimizers", "Optimizers"),
    Link("/playground", "Playground"),
    Link("/dashboard", "Dashboard", admin=True),
    Link("/tokens", "Tokens"),
    Link("/about", "About"),
)


def page(request: Request, principal: Principal, template: str, **context: Any) -> HTMLResponse:
    """A whole page.

    Args:
        request: that asked for it.
        principal: who did.
        template: that extends ``layout.html``.
        context: all that the template asks for.
    """
    links = [link for link in LINKS if not link.admin or principal.may("admin")]
    body = render(
        template,
        links=links,
        here=request.url.path,
        owner=principal.owner,
        may_submit=principal.may("submit"),
        **context,
    )
    return _answer(body)


def fragment(template: str, **context: Any) -> HTMLResponse:
    """A part of a page, for its script to put in."""
    return _answer(render(template, **context))


def _answer(body: str) -> HTMLResponse:
    # What is shown belongs to whoever is logged in, and changes.
    return HTMLResponse(
        body, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    )
