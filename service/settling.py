"""What a job on a dataset is going to be: its spec with nothing left open."""

from typing import Any

from sqlalchemy import Row

from service import datasets
from service.schemas import JobSpec
from studies.resolve import Resolved, resolve
from studies.space import Space
from studies.spec import StudySpec

OF_THE_JOB = JobSpec.model_fields.keys() - StudySpec.model_fields.keys()
"""Fields of a job that its study does not know."""


def settle(spec: JobSpec, dataset: Row[Any]) -> Resolved:
    """Fill in what a job's spec leaves open.

    Args:
        spec: as it was sent.
        dataset: its row.

    Raises:
        StudyError: the spec does not fit the dataset.
    """
    study = StudySpec.model_validate(spec.model_dump(exclude=OF_THE_JOB, exclude_unset=True))
    if study.target is None and dataset.target is not None:
        study = study.model_copy(update={"target": dataset.target})
    resolved = resolve(study, datasets.schema(dataset))
    Space(resolved.spec)  # refuses names that are not in the catalogue
    return resolved
