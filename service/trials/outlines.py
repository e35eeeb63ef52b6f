"""All trials of a study at a glance: what a chart of thousands needs of each, in one statement."""

import json
import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from optuna.distributions import (
    CategoricalChoiceType,
    CategoricalDistribution,
    json_to_distribution,
)
from optuna.trial import TrialState
from sqlalchemy import ColumnElement, Connection, FromClause, Table, and_, select

from service.trials import optuna_tables as tables


class Outline(NamedTuple):
    """One trial at a glance.

    Attributes:
        number: of the trial in its study.
        optimizer: by name.
        outcome: in the words of the API.
        value: of the study's metric: at the end if it completed, at its rung if it was dropped;
            None if it has none, or none that is finite.
        ended: when; None while it is under way.
    """

    number: int
    optimizer: str
    outcome: str
    value: float | None
    ended: datetime | None


def outlines(connection: Connection, study_id: int, metric: str) -> list[Outline]:
    """Read a study's trials in number order, each at a glance.

    Args:
        connection: an open connection.
        study_id: the study to read.
        metric: by which its trials are judged.
    """
    trials, values, optimizers = tables.trials, tables.trial_values, tables.trial_params
    outcomes, metrics = (tables.trial_user_attributes.alias(name) for name in ("o", "m"))
    dropped = and_(trials.c.state == TrialState.PRUNED, metrics.c.key == "metrics")
    joined = _beside(trials, values, values.c.objective == 0)
    joined = _beside(joined, optimizers, optimizers.c.param_name == "optimizer")
    joined = _beside(joined, outcomes, outcomes.c.key == "outcome")
    joined = _beside(joined, metrics, dropped)
    rows = connection.execute(
        select(
            trials.c.number,
            trials.c.state,
            trials.c.datetime_complete,
            optimizers.c.param_value,
            outcomes.c.value_json,
            values.c.value,
            metrics.c.value_json,
        )
        .select_from(joined)
        .where(trials.c.study_id == study_id)
        .order_by(trials.c.number)
    ).all()
    names = _optimizers(connection, study_id)
    parsed = cache(json.loads)  # a handful of outcomes
    found = []
    for number, state, complete, choice, outcome, value, others in rows:
        unfinished = "stopped" if state.is_finished() else "running"
        reached = json.loads(others).get(metric) if others else value
        found.append(
            Outline(
                number,
                str(names[int(choice)]),
                parsed(outcome) if outcome else unfinished,
                reached if reached is not None and math.isfinite(reached) else None,
                complete and complete.replace(tzinfo=UTC),
            )
        )
    return found


def curves(
    connection: Connection, study_id: int, numbers: Collection[int]
) -> dict[int, dict[int, float]]:
    """Read the intermediate values of some trials by step; those that are no number are left out."""
    trials, table = tables.trials.c, tables.trial_intermediate_values
    statement = (
        select(trials.number, table.c.step, table.c.intermediate_value)
        .join(tables.trials, table.c.trial_id == trials.trial_id)
        .where(trials.study_id == study_id, trials.number.in_(numbers))
        .where(table.c.intermediate_value.is_not(None))
        .order_by(trials.number, table.c.step)
    )
    found: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for number, step, value in connection.execute(statement):
        found[number][step] = value
    return found


def _beside(
    joined: FromClause, table: FromClause | Table, which: ColumnElement[bool]
) -> FromClause:
    """The same with a row of another table beside each trial, where there is one."""
    return joined.outerjoin(table, and_(table.c.trial_id == tables.trials.c.trial_id, which))


def _optimizers(connection: Connection, study_id: int) -> Sequence[CategoricalChoiceType]:
    """The names behind the numbers by which a study's trials hold their optimizers."""
    params = tables.trial_params.c
    statement = (
        select(params.distribution_json)
        .join(tables.trials, params.trial_id == tables.trials.c.trial_id)
        .where(tables.trials.c.study_id == study_id, params.param_name == "optimizer")
        .limit(1)
    )
    text = connection.execute(statement).scalar()
    optimizer = None if text is None else json_to_distribution(text)
    return optimizer.choices if isinstance(optimizer, CategoricalDistribution) else ()
