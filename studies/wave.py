"""One wave: trials asked together and trained together; a pure function of its description."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from optimizers.configuration import Configuration
from optimizers.models.mlp import MLP
from optimizers.objectives import CrossEntropy, Objective, SquaredError
from optimizers.problem import Examples, Problem
from optimizers.stack import Outcome
from optimizers.training import train
from studies.data.prepare import Data
from studies.data.prepare import Examples as Rows
from studies.spec import StudySpec

CURVE_POINTS = 50  # a stored learning curve is thinned to about this many


@dataclass(frozen=True)
class WaveTrial:
    """One trial of a wave: its number in the study, what to train, and from which seed."""

    number: int
    configuration: Configuration
    seed: int


@dataclass(frozen=True)
class TrialResult:
    """What came of one trial.

    Attributes:
        number: the trial's number in its study.
        outcome: ``stopped`` means ended by the budget or a cancel before its last epoch.
        value: the study's metric after the last epoch; None unless completed.
        metrics: every validation metric after the last epoch that it reached.
        curve: the study's metric by epoch, counted from 1.
        diverged_at: the first bad step, counted from 1.
        seconds: its share of the time that its stack took.
    """

    number: int
    outcome: Literal["completed", "diverged", "stopped"]
    value: float | None
    metrics: dict[str, float]
    curve: dict[int, float]
    diverged_at: int | None
    seconds: float


def build_problem(data: Data, spec: StudySpec) -> Problem:
    """The network and loss of a resolved spec."""
    objective: Objective
    if spec.task == "classification":
        objective, outputs = CrossEntropy(), len(data.classes)
    else:
        objective, outputs = SquaredError(data.target_scale), 1
    model = spec.model
    hidden = model.hidden if model.kind == "mlp" else []
    features = data.train.inputs.shape[1]
    return MLP(features, outputs, objective, hidden, model.activation, model.dropout)


def run_wave(
    data: Data,
    spec: StudySpec,
    trials: list[WaveTrial],
    keep_going: Callable[[], bool] = lambda: True,
) -> list[TrialResult]:
    """Train the trials of a wave; the same wave gives the same results, wherever it runs."""
    outcomes = train(
        build_problem(data, spec),
        _tensors(data.train),
        _tensors(data.validation),
        [trial.configuration for trial in trials],
        epochs=spec.budget.epochs,
        seeds=[trial.seed for trial in trials],
        keep_going=keep_going,
    )
    return [_result(t.number, o, spec) for t, o in zip(trials, outcomes, strict=True)]


def _tensors(rows: Rows) -> Examples:
    return Examples(torch.from_numpy(rows.inputs), torch.from_numpy(rows.targets))


def _result(number: int, outcome: Outcome, spec: StudySpec) -> TrialResult:
    curve = outcome.metrics.get(str(spec.metric), [])
    completed = len(curve) == spec.budget.epochs
    diverged = outcome.diverged_at is not None
    every = -(-len(curve) // CURVE_POINTS) or 1
    return TrialResult(
        number=number,
        outcome="completed" if completed else "diverged" if diverged else "stopped",
        value=curve[-1] if completed else None,
        metrics={name: values[-1] for name, values in outcome.metrics.items()},
        curve={
            epoch: value
            for epoch, value in enumerate(curve, 1)
            if epoch % every == 0 or epoch == len(curve)
        },
        diverged_at=outcome.diverged_at,
        seconds=outcome.seconds,
    )
