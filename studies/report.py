"""Turn a list of trials into an answer: the best, the best of every optimizer, and why."""

import warnings
from collections.abc import Sequence
from statistics import median
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel

from studies.space import Space
from studies.spec import MAXIMIZED, Metric, StudySpec

Outcome = Literal["running", "completed", "diverged", "stopped", "failed"]


class TrialView(BaseModel):
    """One trial as users see it."""

    number: int
    outcome: Outcome
    value: float | None
    config: dict[str, Any]
    metrics: dict[str, float]
    seconds: float | None
    diverged_at: int | None


class OptimizerSummary(BaseModel):
    """What one optimizer's trials came to."""

    optimizer: str
    trials: int
    diverged: int
    best: TrialView | None
    median: float | None


class Report(BaseModel):
    """The answer of a study, and what it rests on.

    Attributes:
        best: the best completed trial.
        optimizers: one row an optimizer, best first.
        progress: (trial number, best value so far) wherever the best changed.
        curves: validation metric by epoch of every optimizer's best trial.
        importance: share of the score's variation that each choice explains (PED-ANOVA over
            the completed trials); empty while there are too few.
    """

    metric: Metric
    direction: Literal["minimize", "maximize"]
    trials: dict[Outcome, int]
    best: TrialView | None
    optimizers: list[OptimizerSummary]
    progress: list[tuple[int, float]]
    curves: dict[str, dict[int, float]]
    importance: dict[str, float]


def view(trial: FrozenTrial, space: Space) -> TrialView:
    """A stored trial in the words of the API."""
    unfinished: Outcome = "failed" if trial.state.is_finished() else "running"
    return TrialView(
        number=trial.number,
        outcome=trial.user_attrs.get("outcome", unfinished),
        value=trial.value if trial.state == TrialState.COMPLETE else None,
        config=space.configuration(trial.params).as_dict(),
        metrics=trial.user_attrs.get("metrics", {}),
        seconds=trial.user_attrs.get("seconds"),
        diverged_at=trial.user_attrs.get("diverged_at"),
    )


def summarise(spec: StudySpec, trials: Sequence[FrozenTrial]) -> Report:
    """The report of a study from all its trials, in order of number."""
    if spec.metric is None:
        raise ValueError("summarise needs a resolved spec; its metric is open")
    space = Space(spec)
    sign = -1 if spec.metric in MAXIMIZED else 1
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    views = [view(trial, space) for trial in trials]

    def score(trial: FrozenTrial) -> float:
        return sign * float(trial.values[0])

    groups: dict[str, list[FrozenTrial]] = {name: [] for name in space.optimizers}
    for trial in trials:
        groups[trial.params["optimizer"]].append(trial)
    summaries, curves = [], {}
    for name, group in groups.items():
        done = sorted((t for t in group if t.state == TrialState.COMPLETE), key=score)
        if done:
            curves[name] = done[0].intermediate_values
        summaries.append(
            OptimizerSummary(
                optimizer=name,
                trials=len(group),
                diverged=sum(t.user_attrs.get("outcome") == "diverged" for t in group),
                best=view(done[0], space) if done else None,
                median=median(float(t.values[0]) for t in done) if done else None,
            )
        )
    worst = float("inf")
    summaries.sort(key=lambda s: worst if s.best is None else sign * (s.best.value or 0.0))
    progress: list[tuple[int, float]] = []
    for trial in completed:
        if not progress or score(trial) < sign * progress[-1][1]:
            progress.append((trial.number, float(trial.values[0])))
    counts: dict[Outcome, int] = {}
    for seen in views:
        counts[seen.outcome] = counts.get(seen.outcome, 0) + 1
    return Report(
        metric=spec.metric,
        direction="maximize" if sign < 0 else "minimize",
        trials=counts,
        best=summaries[0].best if summaries else None,
        optimizers=summaries,
        progress=progress,
        curves=curves,
        importance=importance(spec, completed),
    )


def importance(spec: StudySpec, completed: Sequence[FrozenTrial]) -> dict[str, float]:
    """How much of the score's variation each choice explains, largest first.

    Optuna's PED-ANOVA, which handles conditional spaces (arXiv:2601.20800).
    """
    if len(completed) < 2 or len({trial.values[0] for trial in completed}) < 2:
        return {}
    study = optuna.create_study(direction="maximize" if spec.metric in MAXIMIZED else "minimize")
    study.add_trials(completed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.importance.get_param_importances(study)
