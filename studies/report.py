"""Turn a list of trials into an answer: the best, the best of every optimizer, and why."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Literal, get_args

from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel

from studies.confirmation import Confirmation, conclude, recommend
from studies.divergence import Trouble
from studies.importance import Importance, importance
from studies.pareto import Unbeaten, pareto
from studies.sensitivity import Sensitivity, sensitivities
from studies.space import Space
from studies.spec import StudySpec
from studies.transfer import Source
from studies.verdict import Finalist, Verdict

Outcome = Literal["running", "completed", "dropped", "diverged", "stopped"]
Origin = Literal["default", "earlier_job", "portfolio", "sampler"]


class TrialView(BaseModel):
    """One trial as users see it.

    Attributes:
        origin: who chose its configuration.
        value: the study's metric at the end; None unless completed.
        epochs: passes over the training rows, those of all rungs together.
        rungs: the study's metric at the end of each rung below the last, by epochs.
        dropped_at: the rung that dropped it, in epochs, or should have if it was audited.
        threshold: the value of the last trial that passed that rung.
        audited: whether it trained to the end to see whether dropping it was right.
        trouble: what was wrong with the learning curve of its last rung.
        transferred: where its configuration comes from, if an earlier job found it.
        reason: why it stopped, where whoever trained it said so.
    """

    number: int
    origin: Origin
    outcome: Outcome
    value: float | None
    config: dict[str, Any]
    metrics: dict[str, float]
    seconds: float | None
    epochs: int | None
    rungs: dict[int, float]
    dropped_at: int | None
    threshold: float | None
    audited: bool
    diverged_at: int | None
    trouble: Trouble | None
    transferred: Source | None
    reason: str | None


class TransferredTrial(BaseModel):
    """What a configuration that an earlier job found came to.

    Attributes:
        rank: among the completed trials of this study, from 1; None unless completed.
        trial: it, with where it comes from.
    """

    rank: int | None
    trial: TrialView


class OptimizerSummary(BaseModel):
    """What one optimizer's trials came to.

    Attributes:
        troubles: how many learning curves were in which trouble.
    """

    optimizer: str
    trials: int
    dropped: int
    diverged: int
    best: TrialView | None
    median: float | None
    troubles: dict[Trouble, int]


class OriginSummary(BaseModel):
    """What the configurations that one origin chose came to.

    Attributes:
        best: number of its best completed trial; None without one.
        value: of that trial.
    """

    origin: Origin
    trials: int
    completed: int
    best: int | None
    value: float | None


class Audit(BaseModel):
    """How often the rungs were wrong, by the dropped trials that trained to the end all the same.

    Attributes:
        audited: how many there were.
        regretted: how many of them ended better than the best trial of their wave that had passed.
    """

    audited: int
    regretted: int


class Summary(BaseModel):
    """The answer of a study, and what it rests on.

    Attributes:
        audit: of the rungs' decisions; None where none was audited.
        best: the configuration to use: before a confirmation that of the best completed trial, after
            it that of the finalist which stands for an optimizer that nobody beats and scored best
            over fresh seeds.
        optimizers: one row an optimizer, best first.
        origins: one row for each who chose configurations, in the order in which they come.
        transferred: what configurations of earlier jobs came to, in the order they were tried.
        progress: (trial number, best value so far) wherever the best changed.
        curves: validation metric by epoch of every optimizer's best trial.
        pareto: trials that none beats in score, training time and optimizer memory at once.
        sensitivity: what every optimizer's trials say about its learning rate.
        verdict: what the confirmation allows to say; None without one.
        confirmation: the runs that it rests on.
    """

    metric: str
    direction: Literal["minimize", "maximize"]
    trials: dict[Outcome, int]
    audit: Audit | None
    best: TrialView | None
    optimizers: list[OptimizerSummary]
    origins: list[OriginSummary]
    transferred: list[TransferredTrial]
    progress: list[tuple[int, float]]
    curves: dict[str, dict[int, float]]
    pareto: list[Unbeaten]
    sensitivity: dict[str, Sensitivity]
    verdict: Verdict | None
    confirmation: Confirmation | None

    @property
    def finalist(self) -> Finalist | None:
        """What became of the best configuration from fresh seeds; None before a confirmation."""
        if self.best is None or self.verdict is None:
            return None
        number = self.best.number
        return next((each for each in self.verdict.finalists if each.number == number), None)


class Report(Summary):
    """A summary, and what takes a model of all trials to say.

    Attributes:
        importance: what each choice, and the seed, matters.
    """

    importance: Importance


def view(trial: FrozenTrial, space: Space) -> TrialView:
    """A stored trial in the words of the API."""
    return TrialView(
        number=trial.number,
        origin=_origin(trial),
        outcome=_outcome(trial),
        value=_value(trial) if trial.state == TrialState.COMPLETE else None,
        config=space.configuration(trial.params).as_dict(),
        metrics=trial.user_attrs.get("metrics", {}),
        seconds=trial.user_attrs.get("seconds"),
        epochs=trial.user_attrs.get("epochs"),
        rungs=trial.user_attrs.get("rungs", {}),
        dropped_at=trial.user_attrs.get("dropped_at"),
        threshold=trial.user_attrs.get("threshold"),
        audited=trial.user_attrs.get("audited", False),
        diverged_at=trial.user_attrs.get("diverged_at"),
        trouble=trial.user_attrs.get("trouble"),
        transferred=trial.user_attrs.get("transferred"),
        reason=trial.user_attrs.get("reason"),
    )


def leaders(spec: StudySpec, trials: Iterable[FrozenTrial]) -> dict[str, int]:
    """The number of every optimizer's best completed trial, the best optimizer first."""
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    found: dict[str, int] = {}
    for trial in sorted(completed, key=lambda trial: (_score(spec, trial), trial.number)):
        found.setdefault(trial.params["optimizer"], trial.number)
    return found


def summarise(
    spec: StudySpec, trials: Sequence[FrozenTrial], confirmation: Confirmation | None = None
) -> Summary:
    """The summary of a study.

    Args:
        spec: resolved.
        trials: all of the study, in order of number; only the `leaders` need their
            intermediate values.
        confirmation: of its finalists, once there is one.
    """
    space = Space(spec)
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = leaders(spec, completed)
    groups: dict[str, list[FrozenTrial]] = {name: [] for name in [*best, *space.optimizers]}
    for trial in trials:
        groups[trial.params["optimizer"]].append(trial)
    summaries = []
    for name, group in groups.items():
        values = [_value(trial) for trial in group if trial.state == TrialState.COMPLETE]
        leader = next((trial for trial in group if trial.number == best.get(name)), None)
        summaries.append(
            OptimizerSummary(
                optimizer=name,
                trials=len(group),
                dropped=sum(t.user_attrs.get("outcome") == "dropped" for t in group),
                diverged=sum(t.user_attrs.get("outcome") == "diverged" for t in group),
                best=view(leader, space) if leader else None,
                median=median(values) if values else None,
                troubles=dict(
                    Counter(t.user_attrs["trouble"] for t in group if "trouble" in t.user_attrs)
                ),
            )
        )
    progress: list[tuple[int, float]] = []
    lowest = float("inf")
    for trial in completed:
        if _score(spec, trial) < lowest:
            lowest = _score(spec, trial)
            progress.append((trial.number, _value(trial)))
    led = set(best.values())
    verdict = None
    chosen = next(iter(best.values()), None)
    if confirmation is not None:
        verdict = conclude(spec, trials, confirmation)
        chosen = recommend(spec, confirmation, verdict)
    return Summary(
        metric=spec.goal.name,
        direction=spec.goal.direction,
        trials=dict(Counter(_outcome(trial) for trial in trials)),
        audit=_audit(spec, completed),
        best=None if chosen is None else view(trials[chosen], space),
        optimizers=summaries,
        origins=_origins(spec, trials),
        transferred=_transferred(spec, trials, completed),
        progress=progress,
        curves={t.params["optimizer"]: t.intermediate_values for t in trials if t.number in led},
        pareto=pareto(spec, completed),
        sensitivity=sensitivities(spec, trials),
        verdict=verdict,
        confirmation=confirmation,
    )


def report_on(
    spec: StudySpec, trials: Sequence[FrozenTrial], confirmation: Confirmation | None = None
) -> Report:
    """The report of a study; the arguments are those of `summarise`."""
    summary = summarise(spec, trials, confirmation)
    seeds = None if confirmation is None else confirmation.scores(summary.metric, "validation")
    return Report(**dict(summary), importance=importance(spec, trials, seeds))


def _origins(spec: StudySpec, trials: Sequence[FrozenTrial]) -> list[OriginSummary]:
    groups: dict[Origin, list[FrozenTrial]] = {origin: [] for origin in get_args(Origin)}
    for trial in trials:
        groups[_origin(trial)].append(trial)
    found = []
    for origin, group in groups.items():
        completed = [trial for trial in group if trial.state == TrialState.COMPLETE]
        best = min(completed, key=lambda trial: (_score(spec, trial), trial.number), default=None)
        found.append(
            OriginSummary(
                origin=origin,
                trials=len(group),
                completed=len(completed),
                best=None if best is None else best.number,
                value=None if best is None else _value(best),
            )
        )
    return [each for each in found if each.trials]


def _transferred(
    spec: StudySpec, trials: Sequence[FrozenTrial], completed: Sequence[FrozenTrial]
) -> list[TransferredTrial]:
    space = Space(spec)
    scores = [_score(spec, trial) for trial in completed]
    return [
        TransferredTrial(
            rank=1 + sum(score < _score(spec, trial) for score in scores)
            if trial.state == TrialState.COMPLETE
            else None,
            trial=view(trial, space),
        )
        for trial in trials
        if "transferred" in trial.user_attrs
    ]


def _audit(spec: StudySpec, completed: Sequence[FrozenTrial]) -> Audit | None:
    audited = [trial for trial in completed if trial.user_attrs.get("audited")]
    if not audited:
        return None
    passed: dict[int, float] = {}  # the best score of each wave
    for trial in completed:
        if not trial.user_attrs.get("audited"):
            wave = trial.user_attrs["wave"]
            passed[wave] = min(passed.get(wave, math.inf), _score(spec, trial))
    regretted = [t for t in audited if _score(spec, t) < passed.get(t.user_attrs["wave"], math.inf)]
    return Audit(audited=len(audited), regretted=len(regretted))


def _value(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _score(spec: StudySpec, trial: FrozenTrial) -> float:
    """The trial's value with its sign such that lower is better."""
    return spec.goal.sign * _value(trial)


def _outcome(trial: FrozenTrial) -> Outcome:
    unfinished: Outcome = "stopped" if trial.state.is_finished() else "running"
    outcome: Outcome = trial.user_attrs.get("outcome", unfinished)
    return outcome


def _origin(trial: FrozenTrial) -> Origin:
    if trial.user_attrs.get("default"):
        return "default"
    if "transferred" in trial.user_attrs:
        return "earlier_job"
    return "portfolio" if "portfolio" in trial.user_attrs else "sampler"
