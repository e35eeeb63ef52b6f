"""What the API takes and gives, beside the reports that `studies` defines."""

import re
from datetime import datetime
from math import isfinite
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Path, Query
from optuna.trial import FrozenTrial
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
)
from sqlalchemy import Row

from service.ingest.upload import Format
from service.jobs import JobState
from service.webhooks import Webhook
from studies.data.schema import Column
from studies.external import ExternalSpec
from studies.history import Line, history
from studies.report import OptimizerSummary, TrialView, view
from studies.space import Space
from studies.spec import WORD, BudgetSpec, Metric, StudySpec, Whole
from studies.transfer import Source
from studies.verdict import Finalist

Item = TypeVar("Item")

LABEL = rf"^[{WORD}][{WORD} .-]{{0,63}}$"
"""The pattern of a name that somebody gives to what is theirs."""

Cursor = Annotated[
    str | None,
    Query(pattern=r"^[0-9a-f-]{36}$", description="The `next` of the page before."),
]

Limit = Annotated[int, Query(ge=1, le=1000, description="Most items of a page.")]
Number = Annotated[int, Path(ge=0, lt=2**31, description="Of the trial in its study.")]


EXAMPLE_ID = "0199b0c6-3c2e-7d41-9a55-5d1c0a7e9f10"


def _not_a_number(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"[-+\d._]+", value):
        raise ValueError("must be a date and time with its zone, such as 2026-01-31T12:00:00Z")
    return value


Since = Annotated[AwareDatetime | None, BeforeValidator(_not_a_number)]
"""A time; plain numbers, which pydantic takes for seconds since 1970, are none."""


def _mode(value: object) -> object:
    if value != "managed":
        raise ValueError("Input should be 'managed' or 'external'")
    return value


def _text(value: str | None) -> str | None:
    # JSON can hold half a surrogate pair, which no database takes.
    if value and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("must be text; got half a surrogate pair")
    return value


WEBHOOK: Any = Field(default=None, description="Where to send word of the job.")
JobName = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_text)]


class JobSpec(StudySpec):
    """What to tune: a dataset and, where the defaults do not fit, how."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"dataset": EXAMPLE_ID},
                {
                    "dataset": EXAMPLE_ID,
                    "target": "price",
                    "space": {"optimizers": ["adam", "lion"], "schedules": ["constant", "cosine"]},
                    "budget": {"trials": 60, "epochs": 20},
                },
            ]
        }
    )

    mode: Annotated[Literal["managed"], BeforeValidator(_mode)] = "managed"
    dataset: Annotated[str, AfterValidator(_text)] = Field(description="Id of an uploaded dataset.")
    metric: Metric | None = None
    name: JobName | None = Field(default=None, description="A label for your list of jobs.")
    priority: Whole = Field(
        default=0,
        ge=-100,
        le=100,
        description="Of your own jobs that wait, the one with the highest goes first.",
    )

    webhook: Webhook | None = WEBHOOK


class ExternalJobSpec(ExternalSpec):
    """What to tune where you train yourself: ask for trials, report on them, tell how they ended."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"mode": "external", "metric": "accuracy"},
                {
                    "mode": "external",
                    "metric": {"name": "perplexity", "direction": "minimize", "best": 1},
                    "space": {"optimizers": ["adamw", "lion"], "batch": [64]},
                    "rungs": {"rule": "halving"},
                    "budget": {"trials": 60, "epochs": 9},
                },
            ]
        }
    )

    name: JobName | None = Field(default=None, description="A label for your list of jobs.")
    webhook: Webhook | None = WEBHOOK


def _mode_of(body: object) -> str:
    found = body.get("mode") if isinstance(body, dict) else getattr(body, "mode", None)
    return "external" if found == "external" else "managed"


AnyJobSpec = Annotated[
    Annotated[JobSpec, Tag("managed")] | Annotated[ExternalJobSpec, Tag("external")],
    Discriminator(_mode_of),
]


class JobChange(BaseModel):
    """What may change of a job once it is submitted; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"budget": {"trials": 200}}]}
    )

    budget: BudgetSpec | None = Field(
        default=None,
        description="Limits to change; those left out stay, null takes one away.",
        json_schema_extra={"not": {"required": ["epochs"]}},
    )
    name: JobName | None = Field(default=None, description="Another label; null takes it away.")
    priority: Whole = Field(
        default=0, ge=-100, le=100, description="Another place among your jobs that wait."
    )

    @field_validator("budget")
    @classmethod
    def _trials_stay_comparable(cls, value: BudgetSpec | None) -> BudgetSpec | None:
        if value is not None and "epochs" in value.model_fields_set:
            raise ValueError("epochs cannot change: trials of different lengths do not compare")
        return value


class Page(BaseModel, Generic[Item]):
    """Part of a list; ask for the rest with ``?cursor=`` and the value of ``next``."""

    items: list[Item]
    next: str | None


class DatasetView(BaseModel):
    """One dataset: what was recognised in it."""

    id: str
    name: str
    rows: int
    columns: list[Column]
    target: str | None = Field(description="Column to predict, if it was named at upload.")
    format: Format | None = Field(description="How the uploaded file held the table.")
    warnings: list[str]
    bytes: int = Field(description="Size as it is stored.")
    digest: str = Field(description="SHA-256 of the stored table.")
    created: datetime


class DatasetDetail(DatasetView):
    """One dataset with a look at its rows."""

    first_rows: list[dict[str, Any]]


class Counts(BaseModel):
    """How many of a job's trials are where."""

    total: int = Field(description="What the budget allows.")
    running: int
    completed: int
    dropped: int = Field(description="Not good enough at a rung.")
    diverged: int
    stopped: int


class JobView(BaseModel):
    """One job: what was asked for, and how far it is."""

    id: str
    mode: Literal["managed", "external"]
    dataset: str | None = Field(description="Null for an external job.")
    name: str | None
    priority: int
    state: JobState
    metric: str
    direction: Literal["minimize", "maximize"]
    best_value: float | None
    best_trial: int | None
    counts: Counts
    waves: int
    finalists: int = Field(
        description="Trials that are trained again from fresh seeds, or have been."
    )
    confirmed: bool = Field(description="Whether that is done: the report has a verdict then.")
    seconds: float = Field(description="Spent so far, waiting in the queue left out.")
    seconds_left: float | None = Field(description="An estimate, once a wave has ended.")
    transferred: list[Source] = Field(
        description="Where the first trials after the defaults come from: earlier jobs of yours on "
        "similar data. Settled when the job starts."
    )
    error: str | None
    webhook: Webhook | None
    webhook_error: str | None = Field(
        description="Why the last word of the job did not arrive; null if it did."
    )
    warnings: list[str]
    inferred: dict[str, str] = Field(description="What was left open, and why it is as it is.")
    spec: StudySpec = Field(description="The job's spec with nothing left open.")
    study: str = Field(description="Name of the study in the dashboard and for optuna.load_study.")
    dashboard: str = Field(description="Path of the study's page in the dashboard.")
    created: datetime
    started: datetime | None
    finished: datetime | None


class Best(BaseModel):
    """The configuration to use, and the best of every optimizer."""

    job: str
    value: float = Field(description="What the trial scored on the validation rows.")
    metric: str
    direction: Literal["minimize", "maximize"]
    trial: int = Field(description="The number of the trial that had this configuration.")
    config: dict[str, Any]
    metrics: dict[str, float]
    optimizers: list[OptimizerSummary]
    sentence: str | None = Field(description="The verdict in words; null before a confirmation.")
    finalists: list[Finalist] = Field(
        description="Trained again from fresh seeds and scored on the test rows, best mean first."
    )


class HyperparameterView(BaseModel):
    """One hyperparameter of an optimizer or a schedule."""

    name: str
    default: float
    meaning: str
    allowed: str
    searched: bool
    low: float | None
    high: float | None
    scale: Literal["linear", "log", "log1m"]


class CatalogueEntry(BaseModel):
    """One optimizer or schedule."""

    name: str
    summary: str
    formula: str
    reference: str
    hyperparameters: list[HyperparameterView]


TrialPage = Page[TrialView]


class TrialDetail(TrialView):
    """One trial with everything that is kept of it."""

    curve: dict[int, float | None] = Field(
        description="The job's metric on the validation rows by epoch, of its last training; null "
        "where it was no finite number."
    )
    log: list[Line]


def trial_detail(trial: FrozenTrial, spec: StudySpec) -> TrialDetail:
    """A stored trial with its curve as users see it."""
    shown = view(trial, Space(spec))
    curve = trial.intermediate_values
    return TrialDetail(
        **shown.model_dump(),
        curve={epoch: value if isfinite(value) else None for epoch, value in curve.items()},
        log=history(trial, shown, spec),
    )


def dataset_view(row: Row[Any]) -> DatasetView:
    """A dataset's row as users see it."""
    return DatasetView.model_validate(row._mapping)


def job_view(row: Row[Any]) -> JobView:
    """A job's row as users see it."""
    spec = StudySpec.model_validate(row.spec)
    outcomes = {
        "completed": row.trials_completed,
        "dropped": row.trials_dropped,
        "diverged": row.trials_diverged,
        "stopped": row.trials_stopped,
    }
    ended = sum(outcomes.values())
    counts = Counts(
        total=spec.budget.trials,
        running=row.trials_asked - ended,
        **outcomes,
    )
    left = None
    if row.state == "running" and ended:
        left = row.seconds / ended * (counts.total - ended)
        if spec.budget.seconds is not None:
            left = max(min(left, spec.budget.seconds - row.seconds), 0.0)
    return JobView(
        id=row.id,
        mode="managed" if row.dataset_id else "external",
        dataset=row.dataset_id,
        name=row.name,
        priority=row.priority,
        state=row.state,
        metric=spec.goal.name,
        direction=spec.goal.direction,
        best_value=row.best_value,
        best_trial=row.best_trial,
        counts=counts,
        waves=row.waves_done,
        finalists=row.finalists,
        confirmed=row.confirmation is not None,
        seconds=row.seconds,
        seconds_left=left,
        transferred=[each["source"] for each in row.transferred or ()],
        error=row.error,
        webhook=row.webhook,
        webhook_error=row.webhook_error,
        warnings=row.warnings,
        inferred=row.inferred,
        spec=spec,
        study=f"job-{row.id}",
        dashboard=f"/dashboard/studies/{row.study_id}",
        created=row.created,
        started=row.started,
        finished=row.finished,
    )
