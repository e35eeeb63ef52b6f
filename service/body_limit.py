"""How many bytes the body of a request may have."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import TooLarge

LARGEST = (
    1 << 20
)  # the longest sensible spec has some 100 KiB, and JSON takes memory many times over
# It writes its body to a file, and counts by a setting.
UPLOAD = ("POST", "/v1/datasets")


class BodyLimit:
    """Refuses bodies that are larger than any we read into memory.

    Args:
        app: what reads them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, its body counted as it comes."""
        if scope["type"] == "http" and (scope["method"], scope["path"]) != UPLOAD:
            _check_declared(scope)
            receive = _counted(receive)
        await self._app(scope, receive, send)


def _check_declared(scope: Scope) -> None:
    declared = Headers(scope=scope).get("content-length", "0")
    if int(declared) > LARGEST:  # the server lets digits through alone
        raise TooLarge(
            _too_large(),
            field="Content-Length",
            value=declared,
            allowed=f"at most {LARGEST} bytes",
        )


def _counted(receive: Receive) -> Receive:
    size = 0

    async def counting() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST:
            # FastAPI, which is reading, takes any other error for a broken body.
            raise HTTPException(TooLarge.status, _too_large())
        return message

    return counting


def _too_large() -> str:
    return f"The body of this request may have {LARGEST:,} bytes."
