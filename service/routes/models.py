"""GET /v1/jobs/{id}/model: the network of the best configuration, trained again, to take along."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from optimizers.configuration import Configuration
from service import datasets, jobs
from service.best import best_of
from service.errors import Conflict
from service.login import CurrentPrincipal
from service.services import CurrentServices
from service.worker import Wave
from studies.confirmation import Run
from studies.data.preprocessing import describable
from studies.model_files import Form, Model, archive
from studies.report import Summary
from studies.spec import StudySpec
from studies.trained import Trained
from studies.wave import WaveTrial

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"])


class ZipFile(Response):
    """A download of an archive."""

    media_type = "application/zip"


@router.get("/model", response_class=ZipFile, responses={409: {}})
def model(
    services: CurrentServices,
    principal: CurrentPrincipal,
    job_id: str,
    form: Annotated[Form, Query(alias="format", description="Of the weights.")] = "safetensors",
) -> ZipFile:
    """The network of the best configuration: weights, preprocessing and model card in a ZIP.

    It is trained for the request, from the first fresh seed of the confirmation that did not
    diverge, so nobody chose it by its score; without a confirmation from the job's own seed. A 503
    says that it has not ended yet: it goes on, and the same request, sent again, answers with it.
    """
    found = services.reports.summary(principal.owner, job_id)
    best, _ = best_of(found, job_id)
    number = best.number
    confirmed = _confirmed(found, number)
    with services.database.read() as connection:
        row = jobs.get(connection, principal.owner, job_id)
        dataset = datasets.of_job(connection, row)
    spec = StudySpec.model_validate(row.spec)
    if not describable(datasets.schema(dataset), spec):
        raise Conflict(
            "Networks of texts, images and columns read as categories cannot be taken along yet. "
            "The script of the job, `best?format=python`, trains this one.",
            field="job",
            value=job_id,
            allowed="a job on numbers, dates, booleans and categories, read as they are",
        )
    configuration = Configuration.from_dict(best.config)
    seed = confirmed.seed if confirmed else spec.seed
    member = WaveTrial(number, configuration, seed)
    stop = f"model-{job_id}-{number}"
    wave = Wave(services.store.path(dataset.digest), spec, [member], 0, None, stop)
    network = services.replays.network((job_id, number, seed), wave)
    if network.trained is None:
        raise _diverged(number)
    content = archive(
        Model(
            trained=network.trained,
            spec=spec,
            configuration=configuration,
            trial=number,
            seed=seed,
            finalist=found.finalist,
            repeats=_repeats(network.trained, confirmed, best.metrics),
            dataset=dataset.name,
            digest=dataset.digest,
            environment=network.environment,
        ),
        form,
    )
    headers = {"Content-Disposition": f'attachment; filename="model-{form}.zip"'}
    return ZipFile(content, headers=headers)


def _confirmed(found: Summary, number: int) -> Run | None:
    """The first training of a finalist from a fresh seed that ended well; None if none was confirmed.

    Raises:
        Conflict: all of them diverged.
    """
    if found.confirmation is None:
        return None
    runs = found.confirmation.runs[number]
    well = next((run for run in runs if run.outcome == "completed"), None)
    if well is None:
        raise _diverged(number)
    return well


def _repeats(trained: Trained, confirmed: Run | None, validation: dict[str, float]) -> bool:
    """Whether the training came to what the job has stored of it."""
    if confirmed is None:
        return trained.validation == validation
    return (trained.validation, trained.test) == (confirmed.validation, confirmed.test)


def _diverged(number: int) -> Conflict:
    return Conflict(
        f"Trial {number} diverged when it was trained again, so there are no weights to hand out.",
        field="job",
        value=number,
        allowed="a job whose best configuration trains to its end",
    )
