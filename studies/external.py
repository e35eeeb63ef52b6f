"""Studies whose trials somebody else trains: what they may ask for, and advice on the way.

A trial that does worse than others did after as many epochs is advised to stop at once, without
waiting for those that are still under way (asynchronous successive halving: Li et al. 2020, A System
for Massively Parallel Hyperparameter Tuning, arXiv:1810.05934).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from optuna.trial import FrozenTrial
from pydantic import Field

from optimizers.configuration import Batch
from studies.resolve import Resolved
from studies.run import STATES
from studies.rungs import Decision, decide, fewest_rivals, ladder
from studies.space import Space
from studies.spec import (
    BudgetSpec,
    ConfirmationSpec,
    Goal,
    Metric,
    Real,
    RungsSpec,
    SpaceSpec,
    Strict,
    StudySpec,
    Whole,
)

BATCHES: list[Batch] = [32, 64, 128]
"""Where nothing is known of the rows."""


class ExternalBudget(Strict):
    """How much may be tried; whichever limit is met first ends the study."""

    trials: Whole = Field(default=100, ge=1, le=100_000)
    epochs: Whole = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Of one trial, to its end. What an epoch is, is up to you: reports count them.",
    )
    total_epochs: Annotated[Whole, Field(ge=1)] | None = Field(
        default=None, description="Of all trials together, as far as they were reported."
    )
    target: Real | None = Field(
        default=None, description="A value of the metric that is good enough."
    )
    patience: Annotated[Whole, Field(ge=1)] | None = Field(
        default=None, description="Trials in a row without a new best."
    )


class ExternalRungs(Strict):
    """When to advise that a trial stops."""

    rule: Literal["none", "median", "halving", "hyperband"] = "halving"
    factor: Whole = Field(
        default=3, ge=2, le=10, description="One in so many goes on; the median rule has two."
    )


class ExternalSpec(Strict):
    """What to tune where you train yourself: by what trials are judged, over which space."""

    mode: Literal["external"]
    metric: Metric | Goal = Field(description="By name, or one of your own.")
    space: SpaceSpec = SpaceSpec()
    budget: ExternalBudget = ExternalBudget()
    rungs: ExternalRungs = Field(
        default=ExternalRungs(rule="none"),
        description="Left out, no trial is advised to stop; given, they halve unless told otherwise.",
    )
    question: Literal["search", "compare"] = "search"
    sampler: Literal["model", "tpe", "sobol", "random"] = "model"
    seed: Whole = Field(default=0, ge=0, lt=2**32)


@dataclass(frozen=True)
class End:
    """How a trial ended, as whoever trained it says.

    Attributes:
        outcome: ``dropped`` if it followed the advice to stop.
        value: of the study's metric; None unless completed.
        metrics: whatever else was measured.
        reason: why it did not complete.
    """

    outcome: Literal["completed", "dropped", "diverged", "stopped"]
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None


def resolve_external(spec: ExternalSpec) -> Resolved:
    """The study with nothing left open.

    Raises:
        SpecError: an unknown optimizer or schedule, or one named twice.
    """
    inferred = {}
    batch = spec.space.batch
    if batch is None:
        batch = BATCHES
        inferred["space.batch"] = "usual sizes, as nothing is known of your rows"
    study = StudySpec(
        metric=spec.metric,
        space=spec.space.model_copy(update={"batch": batch}),
        budget=BudgetSpec(**spec.budget.model_dump()),
        rungs=RungsSpec(**spec.rungs.model_dump(), audited=0.0),
        confirmation=ConfirmationSpec(seeds=0),
        question=spec.question,
        sampler=spec.sampler,
        transfer=False,
        seed=spec.seed,
    )
    Space(study)
    return Resolved(study, inferred, ())


def rungs_of(spec: StudySpec, number: int) -> list[int]:
    """The epochs after which a trial is compared with others, the last epoch left out."""
    return ladder(spec, number)[:-1]


def advise(spec: StudySpec, number: int, rivals: Mapping[int, float]) -> Decision:
    """Whether a trial goes on from a rung.

    Args:
        spec: resolved.
        number: of the trial.
        rivals: what every trial had there so far, by number, this one among them.
    """
    if len(rivals) < fewest_rivals(spec):
        return Decision(goes_on=True)
    decisions = decide(spec, list(rivals), list(rivals.values()), spec.goal.sign)
    return dict(zip(rivals, decisions, strict=True))[number]


def ended(spec: StudySpec, trial: FrozenTrial, end: End) -> FrozenTrial:
    """A trial under way, with its reports, as it is once it has ended.

    Args:
        spec: resolved.
        trial: as it is stored, with its intermediate values; advised to stop if it was dropped.
        end: how it ended.
    """
    if trial.datetime_start is None:
        raise ValueError(f"trial {trial.number} has not begun")
    goal, reported = spec.goal.name, trial.intermediate_values
    rung: int | None = trial.user_attrs.get("dropped_at")
    metrics = dict(end.metrics)
    if end.value is not None:
        metrics[goal] = end.value
    elif reported:
        last = max(reported)
        metrics[goal] = reported[last if end.outcome != "dropped" or rung is None else rung]
    over = datetime.now()  # local and without a zone: Optuna's convention
    passed = [epoch for epoch in rungs_of(spec, trial.number) if epoch in reported]
    attributes: dict[str, Any] = {
        "outcome": end.outcome,
        "metrics": metrics,
        "seconds": round((over - trial.datetime_start).total_seconds(), 6),
        "epochs": spec.budget.epochs if end.outcome == "completed" else max(reported, default=0),
        "rungs": {str(epoch): reported[epoch] for epoch in passed if epoch != rung},
    }
    if end.reason is not None:
        attributes["reason"] = end.reason
    if end.outcome != "dropped" and rung is not None:  # it went on all the same
        attributes |= {"dropped_at": None, "threshold": None}
    return FrozenTrial(
        number=trial.number,
        trial_id=-1,  # its storage has its own
        state=STATES[end.outcome],
        value=end.value,
        datetime_start=trial.datetime_start,
        datetime_complete=over,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs | attributes,
        system_attrs={},
        intermediate_values=reported,
    )
