"""GET /jobs/compare: several jobs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection, Row
from starlette.responses import RedirectResponse, Response

from service import datasets, jobs, trials
from service.charts.frame import Figure
from service.charts.profile import profiles
from service.charts.race import Runner, race
from service.comparison import Compared, alike, obstacles
from service.errors import Invalid
from service.login import CurrentPrincipal
from service.pages.layout import page
from service.schemas import JobView, job_view
from service.services import CurrentServices, Services
from service.tokens import Principal
from service.workloads import workload
from studies.profile import Workload, profile
from studies.report import Summary

router = APIRouter()

FEWEST, MOST = 2, 8


@dataclass(frozen=True)
class Side:
    """One of the jobs.

    Attributes:
        label: a letter.
        view: how far it is.
        summary: what it has found.
        dataset: the name of its table; None if its trials are trained elsewhere.
        compared: what decides whether its scores compare.
        runner: how it came to its best.
        workload: how quick its optimizers were, if that can be said.
    """

    label: str
    view: JobView
    summary: Summary
    dataset: str | None
    compared: Compared
    runner: Runner
    workload: Workload | None

    @property
    def ended(self) -> int:
        """How many of its trials have."""
        counts = self.view.counts
        return counts.completed + counts.dropped + counts.diverged + counts.stopped


@router.get("/jobs/compare")
def compare(
    request: Request,
    services: CurrentServices,
    principal: CurrentPrincipal,
    job: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """What each found, how each came there, and whether their scores compare."""
    if job is None:
        return RedirectResponse("/jobs")  # where they are chosen
    chosen = list(dict.fromkeys(job))
    if not FEWEST <= len(chosen) <= MOST:
        raise Invalid(
            f"Choose {FEWEST} to {MOST} jobs to compare; got {len(chosen)}.",
            field="job",
            value=chosen,
            allowed=f"{FEWEST} to {MOST} different jobs",
        )
    sides = [_side(services, principal, place, job_id) for place, job_id in enumerate(chosen)]
    found = profile(each.workload for each in sides if each.workload is not None)
    scored = [each.compared for each in sides]
    return page(
        request,
        principal,
        "compare.html",
        sides=sides,
        obstacles=obstacles(scored),
        alike=alike(scored),
        races=_races(sides),
        profile=found,
        profiles=profiles(found),
    )


def _side(services: Services, principal: Principal, place: int, job_id: str) -> Side:
    summary = services.reports.summary(principal.owner, job_id)
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        dataset = None if row.dataset_id is None else datasets.of_job(connection, row)
        runner = _runner(connection, row, place, summary)
        quick = workload(connection, row, summary)
    view = job_view(row)
    name, digest = (None, None) if dataset is None else (dataset.name, dataset.digest)
    return Side(
        label=runner.label,
        view=view,
        summary=summary,
        dataset=name,
        compared=Compared(runner.label, name, digest, view.spec),
        runner=runner,
        workload=quick,
    )


def _runner(connection: Connection, row: Row[Any], place: int, summary: Summary) -> Runner:
    """How a job came to its best; pauses count, as they do for whoever waits."""
    numbers = [number for number, _ in summary.progress]
    asked = [0, *numbers, max(0, row.trials_asked - 1)]
    read = trials.read(connection, row.study_id, numbers=sorted(set(asked)))
    start = read[0].datetime_start if read else None
    passed = {
        trial.number: (trial.datetime_complete - start).total_seconds()
        for trial in read
        if start is not None and trial.datetime_complete is not None
    }
    best = [(number, passed[number], value) for number, value in summary.progress]
    last = max(passed.values(), default=0.0)
    return Runner(ascii_uppercase[place], place, best, row.trials_asked, last)


def _races(sides: Sequence[Side]) -> list[tuple[str, dict[str, Figure]]]:
    """Charts of the jobs that have a best, for each metric: others have no axis in common."""
    metrics = dict.fromkeys(
        (each.view.metric, each.view.direction) for each in sides if each.runner.best
    )
    found = []
    for metric, direction in metrics:
        runners = [
            each.runner
            for each in sides
            if (each.view.metric, each.view.direction) == (metric, direction) and each.runner.best
        ]
        maximize = direction == "maximize"
        found.append(
            (
                metric,
                {
                    "trials": race(runners, "trials", metric, maximize=maximize),
                    "seconds": race(runners, "seconds", metric, maximize=maximize),
                },
            )
        )
    return found
