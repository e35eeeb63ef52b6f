"""GET /v1/jobs/{id}/events: what happens to a job, as it happens, by server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.sse import KEEPALIVE_COMMENT
from starlette.responses import StreamingResponse

from service import jobs
from service.errors import NotFound
from service.jobs import ENDED
from service.login import CurrentPrincipal
from service.services import CurrentServices, Services

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"])

LOOK_SECONDS = 0.2  # between two looks whether anything has changed
# Proxies give up a connection that says nothing for longer (nginx: 60 s).
QUIET_SECONDS = 15.0
# Whoever follows longer connects again, and shows the token again, which may be revoked by then.
STREAM_SECONDS = 600.0
RESTING = ENDED | {"paused"}
EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["trial", "job"]},
        "data": {"type": "string", "description": "As JSON: a TrialView, or a JobView."},
        "id": {"type": "string", "description": "Of a trial's event: send it as `Last-Event-ID`."},
    },
}
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class _Events(StreamingResponse):
    """Not FastAPI's own class, by which every event of every stream is made anew."""

    media_type = "text/event-stream"


@router.get(
    "/events",
    response_class=_Events,
    responses={200: {"content": {"text/event-stream": {"schema": EVENT}}}},
)
def events(
    services: CurrentServices,
    principal: CurrentPrincipal,
    job_id: str,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, lt=2**31, description="Id of the last event that was heard."),
    ] = None,
    after: Annotated[
        int,
        Query(ge=0, lt=2**31, description="The same for who cannot send the header at first."),
    ] = 0,
) -> _Events:
    """Follow a job: an event `trial` for each that has ended, an event `job` whenever it changed.

    The id of a trial's event says how far you are: who sends it back as `Last-Event-ID`, as browsers
    do by themselves, misses none and hears of none twice. The stream ends when the job has ended or
    rests, and every ten minutes; connect again then, unless the last `job` says that it ended.
    """
    with services.database.read() as connection:
        jobs.get(connection, principal.owner, job_id)
    told = _told(services, principal.owner, job_id, after=last_event_id or after)
    return _Events(told, headers=HEADERS)


async def _told(services: Services, owner: str, job_id: str, *, after: int) -> AsyncIterator[bytes]:
    """The events of one stream, those of a look in one piece: a wave ends many trials at once."""
    with services.metrics.streams.track_inprogress():
        told = b""
        version = -1
        until = time.monotonic() + STREAM_SECONDS
        heard = time.monotonic()
        while not services.closing.is_set() and time.monotonic() < until:
            if version == services.database.version:
                if time.monotonic() > heard + QUIET_SECONDS:
                    heard = time.monotonic()
                    yield KEEPALIVE_COMMENT
                await asyncio.sleep(LOOK_SECONDS)
                continue
            # Before the look: what comes later is seen next time.
            version = services.database.version
            try:
                look = await services.looks.at(owner, job_id, after=after, version=version)
            except NotFound:  # deleted
                return
            piece = look.trials if look.more or look.job == told else look.trials + look.job
            if piece:
                heard = time.monotonic()
                yield piece
            after = look.last
            if look.more:
                version = -1
                continue
            told = look.job
            if look.state in RESTING:
                return
