"""Around every page: the links on top, and who is logged in."""

from dataclasses import dataclass
from typing import Any

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


def around(principal: Principal, path: str) -> dict[str, Any]:
    """What ``layout.html`` asks for.

    Args:
        principal: who is logged in.
        path: of the page.
    """
    return {
        "links": [link for link in LINKS if not link.admin or principal.may("admin")],
        "here": path,
        "owner": principal.owner,
        "may_submit": principal.may("submit"),
    }
