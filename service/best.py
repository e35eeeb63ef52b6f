"""The best configuration of a job, and the same as Python source."""

from typing import Any

from sqlalchemy import Row

from optimizers.configuration import Configuration
from service import datasets
from service.errors import Conflict
from studies.report import Summary, TrialView
from studies.script import Expected, best_script
from studies.snippet import best_snippet
from studies.spec import StudySpec
from studies.verdict import Finalist


def best_of(answer: Summary, job_id: str) -> tuple[TrialView, float]:
    """The trial whose configuration to use, and its value.

    Raises:
        Conflict: none has completed yet.
    """
    if answer.best is None or answer.best.value is None:
        raise Conflict(
            "No trial has completed yet. Ask again when the job has made progress.",
            field="job",
            value=job_id,
            allowed="a job with a completed trial",
        )
    return answer.best, answer.best.value


def snippet(spec: StudySpec, dataset: Row[Any], best: TrialView) -> str:
    """Its optimizer and scheduler, to be imported, for a model of one's own."""
    configuration = Configuration.from_dict(best.config)
    return best_snippet(spec, datasets.schema(dataset), configuration)


def script(spec: StudySpec, dataset: Row[Any], best: TrialView, finalist: Finalist | None) -> str:
    """A program that trains it, and says whether its score is what the finalist's lets expect."""
    expected = None
    if finalist is not None:
        expected = Expected(spec.goal.name, finalist.mean, *finalist.next_run, finalist.seeds)
    return best_script(
        spec,
        datasets.schema(dataset),
        Configuration.from_dict(best.config),
        seed=spec.seed,
        digest=dataset.digest,
        dialect=datasets.dialect(dataset),
        expected=expected,
    )
