"""POST and GET /v1/jobs, and what came of one: its trials, its best, its report."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from optuna.trial import TrialState

from optimizers.configuration import Configuration
from service import budgets, datasets, jobs, trials
from service.errors import Conflict, Invalid
from service.jobs import JobState
from service.login import CurrentPrincipal
from service.schemas import Best, Cursor, JobChange, JobSpec, JobView, Page, TrialPage, job_view
from service.services import CurrentServices
from studies.confirmation import Confirmation
from studies.report import Report, leaders, summarise, view
from studies.resolve import resolve
from studies.script import Expected, best_script
from studies.space import Space
from studies.spec import StudySpec

router = APIRouter(prefix="/jobs", tags=["jobs"])

Limit = Annotated[int, Query(ge=1, le=1000)]

STATES: dict[str, TrialState] = {
    "running": TrialState.RUNNING,
    "completed": TrialState.COMPLETE,
    "dropped": TrialState.PRUNED,
    "diverged": TrialState.PRUNED,
    "stopped": TrialState.FAIL,
}


@router.post("", status_code=201)
def submit(spec: JobSpec, services: CurrentServices, principal: CurrentPrincipal) -> JobView:
    """Queue a job; what the spec leaves open is inferred from the data and shown."""
    with services.database.read() as connection:
        dataset = datasets.get(connection, principal.owner, spec.dataset)
    study = StudySpec.model_validate(spec.model_dump(exclude={"dataset"}, exclude_unset=True))
    if study.target is None and dataset.target is not None:
        study = study.model_copy(update={"target": dataset.target})
    resolved = resolve(study, datasets.schema(dataset))
    Space(resolved.spec)  # refuses names that are not in the catalogue
    with services.database.write() as connection:
        datasets.get(connection, principal.owner, dataset.id)  # it may be deleted meanwhile
        job_id = jobs.create(
            connection,
            owner=principal.owner,
            dataset_id=dataset.id,
            request=spec.model_dump(mode="json", exclude_unset=True),
            resolved=resolved,
        )
        row = jobs.get(connection, principal.owner, job_id)
    services.runner.wake()
    return job_view(row)


@router.get("")
def listing(
    services: CurrentServices,
    principal: CurrentPrincipal,
    state: Annotated[list[JobState] | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[JobView]:
    """Your jobs, newest first."""
    with services.database.read() as connection:
        rows, following = jobs.page(
            connection, principal.owner, states=state or (), after=cursor, limit=limit
        )
    return Page(items=[job_view(row) for row in rows], next=following)


@router.get("/{job_id}")
def one(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> JobView:
    """One job: its spec, its state and how far it is."""
    with services.database.read() as connection:
        return job_view(jobs.get(connection, principal.owner, job_id))


@router.post("/{job_id}/cancel")
def cancel(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> JobView:
    """End a job now; its finished trials stay."""
    with services.database.write() as connection:
        jobs.cancel(connection, principal.owner, job_id)
        row = jobs.get(connection, principal.owner, job_id)
    return job_view(row)


@router.post("/{job_id}/pause")
def pause(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> JobView:
    """Let a job rest, across restarts too; what was under way is trained again later."""
    with services.database.write() as connection:
        jobs.pause(connection, principal.owner, job_id)
        row = jobs.get(connection, principal.owner, job_id)
    return job_view(row)


@router.post("/{job_id}/resume")
def resume(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> JobView:
    """Queue a paused job again; it comes to the trials that it would have come to."""
    with services.database.write() as connection:
        jobs.resume(connection, principal.owner, job_id)
        row = jobs.get(connection, principal.owner, job_id)
    services.runner.wake()
    return job_view(row)


@router.delete("/{job_id}", status_code=204)
def delete(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> None:
    """Delete a job that has ended or rests, with all its trials; there is no way back."""
    with services.database.write() as connection:
        jobs.delete(connection, principal.owner, job_id)
    services.dashboard.forget_deleted()


@router.patch("/{job_id}")
def change(
    change: JobChange, services: CurrentServices, principal: CurrentPrincipal, job_id: str
) -> JobView:
    """Give a job another budget: from its next wave on; if it has ended, it goes on."""
    with services.database.write() as connection:
        changed = change.budget.model_dump(exclude_unset=True)
        budgets.change(connection, principal.owner, job_id, changed)
        row = jobs.get(connection, principal.owner, job_id)
    services.runner.wake()
    return job_view(row)


@router.get("/{job_id}/trials")
def trial_page(
    services: CurrentServices,
    principal: CurrentPrincipal,
    job_id: str,
    sort: Literal["number", "value", "duration"] = "number",
    descending: bool = False,
    outcome: Annotated[
        list[Literal["running", "completed", "dropped", "diverged", "stopped"]] | None, Query()
    ] = None,
    cursor: str | None = None,
    limit: Limit = 100,
) -> TrialPage:
    """A job's trials, page by page."""
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        try:
            found, following = trials.page(
                connection,
                row.study_id,
                sort=sort,
                descending=descending,
                states={STATES[name] for name in outcome} if outcome else None,
                outcomes=outcome,
                after=cursor,
                limit=limit,
            )
        except ValueError as error:
            raise Invalid(
                str(error), field="cursor", value=cursor, allowed="the `next` of the page before"
            ) from error
    space = Space(StudySpec.model_validate(row.spec))
    return TrialPage(items=[view(trial, space) for trial in found], next=following)


@router.get(
    "/{job_id}/best",
    response_model=Best,
    responses={200: {"content": {"text/x-python": {"schema": {"type": "string"}}}}},
)
def best(
    services: CurrentServices,
    principal: CurrentPrincipal,
    job_id: str,
    form: Annotated[
        Literal["json", "python"],
        Query(
            alias="format",
            description="`python`: a script that trains the configuration in plain PyTorch.",
        ),
    ] = "json",
) -> Best | Response:
    """The best configuration so far, and the best of every optimizer."""
    answer = report(services, principal, job_id)
    if answer.best is None or answer.best.value is None:
        raise Conflict(
            "No trial has completed yet. Ask again when the job has made progress.",
            field="job",
            value=job_id,
            allowed="a job with a completed trial",
        )
    finalists = answer.verdict.finalists if answer.verdict else []
    if form == "python":
        expected = next(
            (
                Expected(answer.metric, each.mean, *each.next_run, each.seeds)
                for each in finalists
                if each.number == answer.best.number
            ),
            None,
        )
        return _script(services, principal, job_id, answer.best.config, expected)
    return Best(
        job=job_id,
        value=answer.best.value,
        metric=answer.metric,
        direction=answer.direction,
        trial=answer.best.number,
        config=answer.best.config,
        metrics=answer.best.metrics,
        optimizers=answer.optimizers,
        sentence=answer.verdict.sentence if answer.verdict else None,
        finalists=finalists,
    )


def _script(
    services: CurrentServices,
    principal: CurrentPrincipal,
    job_id: str,
    config: dict[str, Any],
    expected: Expected | None,
) -> Response:
    """The configuration as a file to save and run."""
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        dataset = datasets.get(connection, principal.owner, row.dataset_id)
    spec = StudySpec.model_validate(row.spec)
    source = best_script(
        spec,
        datasets.schema(dataset),
        Configuration.from_dict(config),
        seed=spec.seed,
        digest=dataset.digest,
        dialect=datasets.dialect(dataset),
        expected=expected,
    )
    return Response(
        source,
        media_type="text/x-python",
        headers={"Content-Disposition": 'attachment; filename="best.py"'},
    )


@router.get("/{job_id}/report")
def report(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> Report:
    """What the trials so far say: best, leaderboard, curves, importance, and the verdict."""
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        spec = StudySpec.model_validate(row.spec)
        every = trials.read(connection, row.study_id)
        numbers = list(leaders(spec, every).values())
        led = trials.read(connection, row.study_id, intermediate=True, numbers=numbers)
    with_curve = {trial.number: trial for trial in led}
    confirmation = row.confirmation and Confirmation.model_validate(row.confirmation)
    return summarise(spec, [with_curve.get(trial.number, trial) for trial in every], confirmation)
