"""What was recognised in a dataset, and what a job on it is going to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row

from service import datasets
from service.errors import FieldProblem
from service.ingest import values
from service.pages.histograms import Histogram, histogram
from service.problems import rejected, translate
from service.schemas import JobSpec
from service.settling import settle
from service.store import Store
from studies.data.columns import numbers
from studies.data.schema import Column, Count
from studies.errors import StudyError
from studies.resolve import Resolved, default_target


@dataclass(frozen=True)
class Plan:
    """What a spec comes to on its dataset.

    Attributes:
        spec: as it would be sent.
        settled: with nothing left open; None if it would be refused.
        problems: why it would be.
    """

    spec: dict[str, Any]
    settled: Resolved | None
    problems: Sequence[FieldProblem] = ()


@dataclass(frozen=True)
class Target:
    """A column to predict, and how its values are spread.

    Attributes:
        column: the column.
        classes: the most common ones with their rows; empty where numbers are predicted.
        spread: of numbers; None of classes.
    """

    column: Column
    classes: Sequence[Count]
    spread: Histogram | None

    @property
    def most(self) -> int:
        """Rows of the largest class."""
        return max((each.rows for each in self.classes), default=0)


def plan(spec: dict[str, Any], dataset: Row[Any]) -> Plan:
    """What the API would make of a spec."""
    try:
        return Plan(spec, settle(JobSpec.model_validate(spec), dataset))
    except ValidationError as error:
        problem = translate(rejected(error, spec))
    except StudyError as error:
        problem = translate(error)
    problems = problem.errors or [FieldProblem(problem.field, problem.detail)]
    return Plan(spec, None, problems)


def usual_target(dataset: Row[Any]) -> str:
    """The column that is predicted if a job does not say which."""
    if dataset.target is not None:
        return str(dataset.target)
    return default_target(datasets.schema(dataset))[0].name


def target_of(store: Store, dataset: Row[Any], planned: Plan) -> Target | None:
    """The column that a job predicts; None if there is no such column."""
    name = planned.spec.get("target") or usual_target(dataset)
    column = datasets.schema(dataset).column(name)
    if column is None:
        return None
    task = planned.settled.spec.task if planned.settled else planned.spec.get("task")
    if column.common and task != "regression":
        return Target(column, column.common, None)
    numeric = column.kind in {"numeric", "boolean"}
    return Target(column, (), _spread(store.path(dataset.digest), name) if numeric else None)


@lru_cache(maxsize=256)
def _spread(path: Path, name: str) -> Histogram | None:
    """Of a file that never changes; asked for at every change of a form."""
    return histogram(numbers(values(path, name)))
