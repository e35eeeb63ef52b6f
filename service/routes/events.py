"""GET /v1/jobs/{id}/events: what happens to a job, as it happens, by server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from service import jobs
from service.errors import NotFound
from service.jobs import ENDED
from service.live import AT_ONCE
from service.login import CurrentPrincipal
from service.services import CurrentServices

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"])

LOOK_SECONDS = 0.2  # between two looks whether anything has changed
# Whoever follows longer connects again, and shows the token again, which may be revoked by then.
STREAM_SECONDS = 600.0


def _known(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> None:
    """Refuse what is not the asker's while the answer can still be a refusal."""
    with services.database.read() as connection:
        jobs.get(connection, principal.owner, job_id)


@router.get("/events", response_class=EventSourceResponse, dependencies=[Depends(_known)])
async def events(
    services: CurrentServices,
    principal: CurrentPrincipal,
    job_id: str,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, lt=2**31, description="Id of the last event that was heard."),
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Follow a job: an event `trial` for each that has ended, an event `job` whenever it changed.

    The id of a trial's event says how far you are: who sends it back as `Last-Event-ID`, as browsers
    do by themselves, misses none and hears of none twice. The stream ends when the job has ended or
    rests, and every ten minutes; connect again then, unless the last `job` says that it ended.
    """
    with services.metrics.streams.track_inprogress():
        after = last_event_id or 0
        told = ""
        version = -1
        until = time.monotonic() + STREAM_SECONDS
        while not services.closing.is_set() and time.monotonic() < until:
            if version == services.database.version:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            # Before the look: what comes later is seen next time.
            version = services.database.version
            try:
                state, job, ended = await services.looks.at(
                    principal.owner, job_id, after=after, version=version
                )
            except NotFound:  # deleted
                return
            for after, trial in ended:
                yield ServerSentEvent(raw_data=trial, event="trial", id=str(after))
            if len(ended) == AT_ONCE:
                version = -1  # there may be more
                continue
            if job != told:
                told = job
                yield ServerSentEvent(raw_data=job, event="job")
            if state in RESTING:
                return


RESTING = ENDED | {"paused"}
