"""What an answer is about, read from the tables."""

from typing import Any

from sqlalchemy import Connection, Row

from service import datasets, trials
from service.answer import Source, Subject
from service.best import script, snippet
from service.jobs import ENDED
from studies.data.preprocessing import describable
from studies.report import Summary, TrialView, view
from studies.space import Space
from studies.spec import StudySpec

BEST = 60
"""Trials with the best scores that are always among those shown."""

OTHERS = 240
"""From first to last, equally far apart."""


def gather(connection: Connection, job: Row[Any], summary: Summary) -> Subject:
    """What the answer of a job is about.

    Args:
        connection: an open connection.
        job: its row.
        summary: of its trials.
    """
    spec = StudySpec.model_validate(job.spec)
    return Subject(
        job=job.id,
        name=job.name,
        source=None if job.dataset_id is None else _source(connection, job, spec, summary),
        spec=spec,
        warnings=job.warnings,
        seconds=job.seconds,
        ended=job.state in ENDED,
        finished=job.finished,
        trials=some_trials(connection, job, spec),
    )


def some_trials(connection: Connection, job: Row[Any], spec: StudySpec) -> list[TrialView]:
    """As many of a job's trials as can be drawn at once, the best among them, by number."""
    every = max(1, -(-job.trials_asked // OTHERS))
    found = trials.read(connection, job.study_id, numbers=range(0, job.trials_asked, every))
    best, _ = trials.page(
        connection, job.study_id, sort="value", descending=spec.goal.maximized, limit=BEST
    )
    space = Space(spec)
    by_number = {trial.number: trial for trial in (*found, *best)}
    return [view(trial, space) for _, trial in sorted(by_number.items())]


def _source(connection: Connection, job: Row[Any], spec: StudySpec, summary: Summary) -> Source:
    dataset = datasets.of_job(connection, job)
    best = summary.best
    return Source(
        name=dataset.name,
        digest=dataset.digest,
        rows=dataset.rows,
        snippet=snippet(spec, dataset, best) if best else "",
        script=script(spec, dataset, best, summary.finalist) if best else "",
        has_model=describable(datasets.schema(dataset), spec),
    )
