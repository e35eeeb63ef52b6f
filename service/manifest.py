"""A job's manifest: everything that decided its numbers, as it was when the job ran."""

from datetime import datetime
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import Row

from studies.environment import Difference, Environment, differences
from studies.spec import BudgetSpec, StudySpec
from studies.transfer import Transferred


class Parts(BaseModel):
    """How many rows a study's table was cut into; those without a target are in none."""

    train: int
    validation: int
    test: int


class Conditions(BaseModel):
    """What a run of a job depends on, besides its dataset and the rest of its spec."""

    waves_in_flight: int = Field(
        description="From the number of workers; it decides what a wave is asked after."
    )
    budget: BudgetSpec = Field(description="When the run began; it may be raised.")
    parts: Parts
    environment: Environment = Field(description="Of a worker.")


class Attempt(BaseModel):
    """One run of a job; a server that is stopped in the middle makes another."""

    attempt: int = Field(description="Counted from 1.")
    started: datetime
    conditions: Conditions


class Source(BaseModel):
    """The table that a study learns from."""

    id: str
    digest: str = Field(description="SHA-256 of the stored table.")
    rows: int
    target: str | None


class Manifest(BaseModel):
    """What must be the same for a job to give the same trials again."""

    job: str
    dataset: Source
    spec: StudySpec = Field(description="With nothing left open: seed, sampler, rungs, budget.")
    transferred: list[Transferred] = Field(
        description="What it took from earlier jobs, to try after the defaults."
    )
    attempts: list[Attempt] = Field(
        description="Oldest first; one that ended before it had read the data is left out."
    )
    changed: list[Difference] = Field(
        description="What differs between one attempt and the next; empty if all were alike, so "
        "that any of them stands for all trials."
    )


def manifest(job: Row[Any], dataset: Row[Any]) -> Manifest:
    """The manifest of a job's row and its dataset's."""
    spec = StudySpec.model_validate(job.spec)
    ran = attempts(job)
    return Manifest(
        job=job.id,
        dataset=Source(id=dataset.id, digest=dataset.digest, rows=dataset.rows, target=spec.target),
        spec=spec,
        transferred=[Transferred.model_validate(each) for each in job.transferred or []],
        attempts=ran,
        changed=[
            change
            for then, now in pairwise(ran)
            for change in differences(then.conditions, now.conditions)
        ],
    )


def attempts(job: Row[Any]) -> list[Attempt]:
    """The attempts of a job, oldest first; those before they were recorded are not known."""
    return [Attempt.model_validate(each) for each in job.attempts or []]


def attempt_of(job: Row[Any], ended: datetime | None) -> Attempt | None:
    """The attempt under way when one of the job's trials ended; None if it was not recorded.

    Args:
        job: the row.
        ended: local and without a zone, as Optuna has it.
    """
    if ended is None:
        return None
    began = [each for each in attempts(job) if each.started <= ended.astimezone()]
    return began[-1] if began else None
