"""What a job counts, and knows as its best, as its trials end."""

from collections import Counter
from collections.abc import Iterable, Sequence

from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, update

from service.tables import jobs
from studies.spec import Goal


def counted(outcomes: Iterable[str]) -> dict[str, ColumnElement[int]]:
    """What a job counts when trials have ended so."""
    names = {outcome: f"trials_{outcome}" for outcome in outcomes}
    found = Counter(outcomes)
    return {name: jobs.c[name] + found[outcome] for outcome, name in names.items()}


def keep_best(
    connection: Connection, job_id: str, goal: Goal, ended: Sequence[FrozenTrial]
) -> bool:
    """See that a job knows the best of its trials, the first of equals; whether it is a new one."""
    completed = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    if not completed:
        return False
    best = min(completed, key=lambda trial: goal.sign * trial.values[0])
    stored, value = jobs.c.best_value, best.values[0]
    better = stored < value if goal.maximized else stored > value
    improved = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, stored.is_(None) | better)
        .values(best_value=value, best_trial=best.number)
    )
    return improved.rowcount == 1
