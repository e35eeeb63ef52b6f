"""The header Idempotency-Key, as routes take it."""

from typing import Annotated

from fastapi import Depends, Header, Request, Response

from service.idempotency import Asked
from service.login import CurrentPrincipal


async def _asked(
    request: Request,
    response: Response,
    principal: CurrentPrincipal,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=r"^[!-~]{1,255}$",
            description="A name for this request, such as a UUID: sent again with the same name within a "
            "day, it does nothing more and is answered as before, with `Idempotent-Replayed: true`.",
        ),
    ] = None,
) -> Asked:
    def replayed() -> None:
        response.headers["Idempotent-Replayed"] = "true"

    operation = f"{request.method} {request.url.path}?{request.url.query}"
    return Asked(principal.owner, idempotency_key, operation, replayed)


CurrentRequest = Annotated[Asked, Depends(_asked)]
