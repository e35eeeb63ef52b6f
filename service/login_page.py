"""What a browser is shown when nobody is logged in."""

from starlette.responses import HTMLResponse

from service.rendering import POLICY, render


def login_page(following: str, *, refused: bool = False, status: int = 401) -> HTMLResponse:
    """The page that asks for a token.

    Args:
        following: the address to go to once logged in.
        refused: whether a token was given that is not valid.
        status: of the answer.
    """
    body = render("login.html", following=local(following), refused=refused)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return HTMLResponse(body, status, headers=headers)


def local(address: str) -> str:
    """An address of this server; the start page in place of any that might lead elsewhere."""
    leads_elsewhere = address.startswith(("//", "/\\")) or any(mark < " " for mark in address)
    return address if address.startswith("/") and not leads_elsewhere else "/"
