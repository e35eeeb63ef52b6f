"""What a job takes from the earlier jobs of its owner: settled once, when it starts."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from service import claims, datasets, jobs, trials
from service.claims import Claim
from service.tables import jobs as table
from studies.spec import GOALS, StudySpec
from studies.transfer import (
    Earlier,
    MetaFeatures,
    Transferred,
    choose,
    likeness,
    meta_features,
)

JOBS = 100
"""An owner's newest completed jobs that are looked at."""

STUDIES = 10
"""The most alike of them, whose trials are read."""

TRIALS = 200
"""The best of each that are read."""


def settle(connection: Connection, claim: Claim) -> list[Transferred]:
    """What a job takes from earlier ones: found and stored when it starts, then as it is stored.

    So a study that is resumed asks for the same trials, whatever has ended meanwhile.

    Raises:
        Superseded: the job is no longer ours.
    """
    row = connection.execute(select(table).where(table.c.id == claim.id)).one()
    if row.transferred is not None:
        return [Transferred.model_validate(each) for each in row.transferred]
    found = choose(claim.spec, _earlier(connection, row)) if claim.spec.transfer else []
    claims.record_transferred(connection, claim, found)
    return found


def _earlier(connection: Connection, job: Row[Any]) -> Iterator[Earlier]:
    """The owner's completed studies that are most like the job's, the most alike first."""
    rows, _ = jobs.page(connection, job.owner, jobs.Filter(["completed"], managed=True), limit=JOBS)
    known = {
        dataset_id: datasets.get(connection, job.owner, dataset_id)
        for dataset_id in {job.dataset_id, *(row.dataset_id for row in rows)}
    }
    schemas = {dataset_id: datasets.schema(dataset) for dataset_id, dataset in known.items()}

    def features(row: Row[Any]) -> MetaFeatures:
        spec = StudySpec.model_validate(row.spec)
        return meta_features(spec, schemas[row.dataset_id], known[row.dataset_id].digest)

    here = features(job)
    alike = [(likeness(here, features(row)), row) for row in rows]
    alike.sort(key=lambda pair: pair[0], reverse=True)  # stable: of equals the newest first
    for degree, row in alike[:STUDIES]:
        best, _ = trials.page(
            connection,
            row.study_id,
            sort="value",
            descending=GOALS[row.spec["metric"]].maximized,
            limit=min(TRIALS, row.trials_completed),  # those without a value come last
        )
        yield Earlier(row.id, known[row.dataset_id].name, degree, best, row.trials_completed)
