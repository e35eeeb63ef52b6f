"""GET /jobs: one's own jobs, what they found, how far they are."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from service import datasets, jobs
from service.jobs import MOVES, Filter, JobState
from service.login import CurrentPrincipal
from service.pages.layout import page
from service.schemas import Cursor, JobView, job_view
from service.services import CurrentServices

router = APIRouter()

AT_ONCE = 50  # jobs on one page
CHOICES = 200  # datasets to choose from: the newest
PURPOSES = {"search": "Best configuration", "compare": "Which optimizer is better"}


@dataclass(frozen=True)
class Line:
    """One job in the list.

    Attributes:
        job: as the API shows it.
        dataset: what its dataset is called; None if its trials are trained elsewhere.
    """

    job: JobView
    dataset: str | None

    @property
    def title(self) -> str:
        """The job's name, or what else tells it from others."""
        return self.job.name or self.dataset or "External job"

    @property
    def question(self) -> str:
        """What it is to answer."""
        purpose = PURPOSES[self.job.spec.question]
        return f"{purpose} for {self.job.spec.target}" if self.job.spec.target else purpose

    @property
    def ended(self) -> int:
        """Trials that have ended, one way or another."""
        counts = self.job.counts
        return counts.completed + counts.dropped + counts.diverged + counts.stopped

    @property
    def asides(self) -> str:
        """Trials that did not come to their end, and those under way, in words."""
        counts = self.job.counts.model_dump(include={"running", "dropped", "diverged", "stopped"})
        return ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items() if count)


@router.get("/jobs")
def listing(
    request: Request,
    services: CurrentServices,
    principal: CurrentPrincipal,
    state: Annotated[list[JobState] | None, Query()] = None,
    dataset: str = "",
    name: str = "",
    cursor: Cursor = None,
) -> HTMLResponse:
    """The newest jobs that were asked for."""
    wanted = Filter(state or (), dataset or None, name or None)
    with services.database.read() as connection:
        rows, following = jobs.page(
            connection, principal.owner, wanted, after=cursor, limit=AT_ONCE
        )
        choices, _ = datasets.page(connection, principal.owner, after=None, limit=CHOICES)
        names = datasets.names(connection, {row.dataset_id for row in rows} - {None})
    asked = [*(("state", each) for each in wanted.states), ("dataset", dataset), ("name", name)]
    filters = urlencode([(key, value) for key, value in asked if value])
    return page(
        request,
        principal,
        "jobs.html",
        lines=[Line(job_view(row), names.get(row.dataset_id)) for row in rows],
        choices=choices,
        states=list(MOVES),
        wanted=wanted,
        filters=filters,
        is_first=cursor is None,
        older=following and f"/jobs?{urlencode({'cursor': following})}&{filters}".rstrip("&"),
    )
