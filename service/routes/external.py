"""Ask, report and tell: external jobs, whose trials are trained wherever their owner likes."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from optuna.trial import FrozenTrial
from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.jobs import JobState
from service.routes.idempotency import CurrentRequest
from service.schemas import EXAMPLE_ID, Number
from service.services import CurrentServices
from studies.external import End, rungs_of
from studies.report import TrialView, view
from studies.space import Space
from studies.spec import Real, Strict, StudySpec, Whole

router = APIRouter(prefix="/jobs/{job_id}", tags=["external"])

Lease = Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$", description="That came with the trial.")]


class Asking(Strict):
    """How many trials to hand out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 4}]})

    count: Whole = Field(default=1, ge=1, le=256)
    lease_seconds: Whole = Field(
        default=600,
        ge=1,
        le=86_400,
        description="How long a trial may go without a report before it is handed out again.",
    )


class AskedTrial(BaseModel):
    """One trial to train."""

    number: int
    lease: str = Field(description="To be named with every word about the trial.")
    deadline: datetime = Field(description="When the lease runs out, unless a report renews it.")
    config: dict[str, Any] = Field(description="What to train: optimizer, schedule and batch.")
    seed: int = Field(description="To train from: the same for all trials of a study.")
    epochs: int = Field(description="To its end.")
    rungs: list[int] = Field(
        description="Epochs after which it is compared with others: report at these at least."
    )


class AskedTrials(BaseModel):
    """Trials to train, if any are to be had."""

    state: JobState = Field(
        description='Of the job: "running" with no trials means that those under way may yet come back.'
    )
    trials: list[AskedTrial]


class Reported(Strict):
    """What was measured on the way."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"lease": EXAMPLE_ID, "epoch": 2, "value": 0.41}]}
    )

    lease: Lease
    epoch: Whole = Field(ge=1, le=10_000, description="After which, counted from 1.")
    value: Real = Field(description="Of the job's metric. Tell a trial as diverged if it is none.")


class Advice(BaseModel):
    """Whether to go on."""

    stop: bool
    threshold: float | None = Field(
        description="What the last trial that passed the rung had; null where the trial may go on."
    )
    deadline: datetime = Field(description="When the lease runs out now.")


class Told(Strict):
    """How a trial ended."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"lease": EXAMPLE_ID, "value": 0.37},
                {"lease": EXAMPLE_ID, "outcome": "stopped", "reason": "out of memory"},
            ]
        }
    )

    lease: Lease
    outcome: Literal["completed", "dropped", "diverged", "stopped"] = Field(
        default="completed", description='"dropped" if it followed the advice to stop.'
    )
    value: Real | None = Field(
        default=None, description="Of the job's metric after the last epoch, if it completed."
    )
    metrics: dict[Annotated[str, Field(min_length=1, max_length=64)], Real] = Field(
        default={}, max_length=16, description="Whatever else was measured."
    )
    reason: str | None = Field(
        default=None, min_length=1, max_length=200, description="Why it did not complete."
    )

    @model_validator(mode="after")
    def _what_completed_has_a_value(self) -> "Told":
        if (self.outcome == "completed") != (self.value is not None):
            raise ValueError(
                f"a trial has a value if, and only if, it completed; got {self.value} with "
                f'"{self.outcome}"'
            )
        return self


@router.post("/ask", responses={404: {}, 409: {}})
def ask(
    job_id: str, asking: Asking, services: CurrentServices, asked: CurrentRequest
) -> AskedTrials:
    """Trials to train, for any number of trainers at once.

    First come trials whose trainer has not been heard of within the lease, then new ones. There are
    fewer than asked for, or none, where the budget allows no more, or the job rests or has ended.
    """
    lease = timedelta(seconds=asking.lease_seconds)
    row, handed = services.external.ask(asked, job_id, asking.count, lease)
    spec = StudySpec.model_validate(row.spec)
    space = Space(spec)
    return AskedTrials(
        state=row.state, trials=[_asked_trial(trial, spec, space) for trial in handed]
    )


@router.post("/trials/{number}/report", responses={404: {}, 409: {}})
def report(
    job_id: str,
    number: Number,
    reported: Reported,
    services: CurrentServices,
    asked: CurrentRequest,
) -> Advice:
    """Say how a trial is doing, and hear whether to go on; its lease is renewed."""
    trial = services.external.report(
        asked, job_id, number, reported.lease, reported.epoch, reported.value
    )
    return Advice(
        stop=trial.user_attrs.get("dropped_at") is not None,
        threshold=trial.user_attrs.get("threshold"),
        deadline=trial.user_attrs["deadline"],
    )


@router.post("/trials/{number}/tell", responses={404: {}, 409: {}})
def tell(
    job_id: str, number: Number, told: Told, services: CurrentServices, asked: CurrentRequest
) -> TrialView:
    """Say how a trial ended; with the last that its budget allows, the job ends too."""
    end = End(told.outcome, told.value, told.metrics, told.reason)
    trial, spec = services.external.tell(asked, job_id, number, told.lease, end)
    return view(trial, Space(spec))


def _asked_trial(trial: FrozenTrial, spec: StudySpec, space: Space) -> AskedTrial:
    return AskedTrial(
        number=trial.number,
        lease=trial.user_attrs["lease"],
        deadline=trial.user_attrs["deadline"],
        config=space.configuration(trial.params).as_dict(),
        seed=spec.seed,
        epochs=spec.budget.epochs,
        rungs=[] if trial.user_attrs["default"] else rungs_of(spec, trial.number),
    )
