"""When a study has spent its budget: whichever limit is met first ends it."""

from collections.abc import Sequence
from typing import Literal

from optuna.trial import FrozenTrial, TrialState

from studies.spec import StudySpec

SEARCHED = 2 / 3
"""The share of the seconds that trials may have where a confirmation is to come."""

Limit = Literal["trials", "seconds", "total_epochs", "samples", "target", "patience"]


def seconds_to_search(spec: StudySpec, trials: Sequence[FrozenTrial]) -> float | None:
    """How long trials may be asked for and trained; None for any time.

    All the seconds as long as no trial has completed: there is nothing to confirm then.
    """
    seconds = spec.budget.seconds
    if seconds is None or not spec.confirmation.seeds:
        return seconds
    completed = any(trial.state == TrialState.COMPLETE for trial in trials)
    return SEARCHED * seconds if completed else seconds


def limit_met(spec: StudySpec, trials: Sequence[FrozenTrial], seconds: float) -> Limit | None:
    """Which limit keeps a study from asking for more trials; None while none does.

    Args:
        spec: a resolved spec.
        trials: all asked for so far, in order of number, running ones among them.
        seconds: spent so far.
    """
    budget = spec.budget
    sign = spec.goal.sign
    ended = [trial for trial in trials if trial.state.is_finished()]
    completed = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    best = min(completed, key=lambda trial: sign * trial.values[0], default=None)
    spent: dict[Limit, float] = {
        "trials": len(trials),
        "seconds": seconds,
        "total_epochs": sum(trial.user_attrs.get("epochs", 0) for trial in ended),
        "samples": sum(trial.user_attrs.get("samples", 0) for trial in ended),
    }
    if best is not None:
        spent["patience"] = sum(trial.number > best.number for trial in ended)
    for limit, amount in spent.items():
        most = seconds_to_search(spec, trials) if limit == "seconds" else getattr(budget, limit)
        if most is not None and amount >= most:
            return limit
    if best is not None and budget.target is not None:
        return "target" if sign * best.values[0] <= sign * budget.target else None
    return None
