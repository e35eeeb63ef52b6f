"""Read trials by columns: one statement per table, however many trials there are."""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, Select, Table, case, desc, func, select

from service.trials import optuna_tables as tables


def read(
    connection: Connection,
    study_id: int,
    *,
    intermediate: bool = False,
    numbers: Sequence[int] | None = None,
) -> list[FrozenTrial]:
    """Read a study's trials in number order.

    Args:
        connection: an open connection.
        study_id: the study to read.
        intermediate: whether to read intermediate values too, most of a study's rows.
        numbers: only these trials; those that do not exist are left out.
    """
    chosen = tables.trials.c.study_id == study_id
    if numbers is not None:
        chosen &= tables.trials.c.number.in_(numbers)
    return load(connection, chosen, intermediate=intermediate)


def since(
    connection: Connection, study_id: int, *, after: int, besides: Collection[int], curves: int
) -> list[FrozenTrial]:
    """Read what is new to someone who has read a study before, in number order.

    Args:
        connection: an open connection.
        study_id: the study to read.
        after: Optuna's id of the last trial that was ended when it was read; -1 for none.
        besides: ids of earlier trials, which were not.
        curves: how many of a study's first trials to read with their intermediate values.
    """
    trials = tables.trials.c
    new = (trials.trial_id > after) | trials.trial_id.in_(list(besides))
    chosen = (trials.study_id == study_id) & new
    first = load(connection, chosen & (trials.number < curves), intermediate=True)
    return first + load(connection, chosen & (trials.number >= curves), intermediate=False)


def running(connection: Connection, study_id: int) -> list[FrozenTrial]:
    """Read the trials that are under way: what a restarted server must train again."""
    under_way = tables.trials.c.state == TrialState.RUNNING
    return load(connection, (tables.trials.c.study_id == study_id) & under_way, intermediate=True)


def ended(
    connection: Connection, study_id: int, *, after: int, limit: int
) -> list[tuple[int, FrozenTrial]]:
    """Read trials that are no longer under way, in the order in which they ended.

    Args:
        connection: an open connection.
        study_id: the study to read.
        after: the mark of the last one that is known; 0 for none.
        limit: the most to read.

    Returns:
        Marks, ascending from one that ended to the next, and trials.
    """
    marks = _marks(study_id).where(tables.trial_user_attributes.c.trial_user_attribute_id > after)
    return _marked(connection, study_id, marks.order_by("mark").limit(limit))


def latest(connection: Connection, study_id: int, *, limit: int) -> list[tuple[int, FrozenTrial]]:
    """Read the trials that ended last, the very last one first, with their marks as in `ended`."""
    marks = _marks(study_id).order_by(desc("mark"))
    return _marked(connection, study_id, marks.limit(limit))


def counts(connection: Connection, study_id: int) -> dict[TrialState, int]:
    """Count a study's trials in each state; every state has an entry."""
    state = tables.trials.c.state
    statement = select(state, func.count()).where(tables.trials.c.study_id == study_id)
    found = connection.execute(statement.group_by(state)).all()
    return dict.fromkeys(TrialState, 0) | dict(found)


def best(connection: Connection, study_id: int) -> FrozenTrial | None:
    """Read the complete trial with the best value, the first of equals; None without any."""
    directions = tables.study_directions
    direction = connection.execute(
        select(directions.c.direction).where(directions.c.study_id == study_id)
    ).scalar()
    number, kind = tables.trial_values.c.value, tables.trial_values.c.value_type
    rank: ColumnElement[int] = case(
        (kind == tables.ValueType.INF_NEG, -1), (kind == tables.ValueType.INF_POS, 1), else_=0
    )
    better = (
        (rank.desc(), number.desc())
        if direction is StudyDirection.MAXIMIZE
        else (rank.asc(), number.asc())
    )
    trial_id = connection.execute(
        select(tables.trials.c.trial_id)
        .join(tables.trial_values, tables.trial_values.c.trial_id == tables.trials.c.trial_id)
        .where(tables.trials.c.study_id == study_id, tables.trials.c.state == TrialState.COMPLETE)
        .order_by(*better, tables.trials.c.number)
        .limit(1)
    ).scalar()
    if trial_id is None:
        return None
    return load(connection, tables.trials.c.trial_id == trial_id, intermediate=True)[0]


def load(
    connection: Connection, chosen: ColumnElement[bool], *, intermediate: bool
) -> list[FrozenTrial]:
    """Read the trials for which a condition on the table of trials holds, in number order."""
    params, distributions = _params(connection, chosen)
    values = _values(connection, chosen)
    reports = _reports(connection, chosen) if intermediate else {}
    user_attrs = _attributes(connection, chosen, tables.trial_user_attributes)
    system_attrs = _attributes(connection, chosen, tables.trial_system_attributes)
    trials = tables.trials.c
    return [
        FrozenTrial(
            number=number,
            state=state,
            value=None,
            values=values.get(trial_id),
            datetime_start=_local(start),
            datetime_complete=_local(complete),
            params=params.get(trial_id, {}),
            distributions=distributions.get(trial_id, {}),
            user_attrs=user_attrs.get(trial_id, {}),
            system_attrs=system_attrs.get(trial_id, {}),
            intermediate_values=reports.get(trial_id, {}),
            trial_id=trial_id,
        )
        for trial_id, number, state, start, complete in connection.execute(
            select(
                trials.trial_id,
                trials.number,
                trials.state,
                trials.datetime_start,
                trials.datetime_complete,
            )
            .where(chosen)
            .order_by(trials.number)
        )
    ]


def _marks(study_id: int) -> Select[Any]:
    """The numbers of the trials that have ended, and marks that ascend from one end to the next."""
    # Its outcome is written once, as a trial ends, and the database numbers what is written.
    trials, attributes = tables.trials.c, tables.trial_user_attributes.c
    return (
        select(trials.number, attributes.trial_user_attribute_id.label("mark"))
        .join(tables.trial_user_attributes, attributes.trial_id == trials.trial_id)
        .where(trials.study_id == study_id, attributes.key == "outcome")
    )


def _marked(
    connection: Connection, study_id: int, marks: Select[Any]
) -> list[tuple[int, FrozenTrial]]:
    found = connection.execute(marks).all()
    known = read(connection, study_id, numbers=[number for number, _ in found])
    by_number = {trial.number: trial for trial in known}
    return [(mark, by_number[number]) for number, mark in found]


def _rows(
    connection: Connection, chosen: ColumnElement[bool], table: Table, *columns: str
) -> list[Any]:
    """Rows of a table that hangs on the chosen trials, each starting with its trial's id."""
    of_trial = table.c.trial_id == tables.trials.c.trial_id
    wanted = [table.c[name] for name in ("trial_id", *columns)]
    statement = select(*wanted).join(tables.trials, of_trial).where(chosen)
    return list(connection.execute(statement).all())


def _params(
    connection: Connection, chosen: ColumnElement[bool]
) -> tuple[dict[int, dict[str, Any]], dict[int, dict[str, BaseDistribution]]]:
    params: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    distributions: defaultdict[int, dict[str, BaseDistribution]] = defaultdict(dict)
    # A study has a handful of distributions and stores them again with every trial.
    parsed = cache(json_to_distribution)
    columns = ("param_id", "param_name", "param_value", "distribution_json")
    rows = _rows(connection, chosen, tables.trial_params, *columns)
    # Sorted here: asked to sort by the primary key, SQLite walks the params of every study.
    for trial_id, _, name, number, text in sorted(rows, key=itemgetter(1)):
        distributions[trial_id][name] = distribution = parsed(text)
        params[trial_id][name] = distribution.to_external_repr(number)
    return params, distributions


def _values(connection: Connection, chosen: ColumnElement[bool]) -> dict[int, list[float]]:
    rows = _rows(connection, chosen, tables.trial_values, "value", "value_type")
    return {trial_id: [tables.value_from_row(number, kind)] for trial_id, number, kind in rows}


def _reports(connection: Connection, chosen: ColumnElement[bool]) -> dict[int, dict[int, float]]:
    reports: defaultdict[int, dict[int, float]] = defaultdict(dict)
    columns = ("step", "intermediate_value", "intermediate_value_type")
    rows = _rows(connection, chosen, tables.trial_intermediate_values, *columns)
    for trial_id, step, number, kind in rows:
        known = number is not None  # almost always: spares a call for each of many rows
        reports[trial_id][step] = number if known else tables.intermediate_from_row(number, kind)
    return reports


def _attributes(
    connection: Connection, chosen: ColumnElement[bool], table: Table
) -> dict[int, dict[str, Any]]:
    attributes: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for trial_id, key, text in _rows(connection, chosen, table, "key", "value_json"):
        attributes[trial_id][key] = json.loads(text)
    return attributes


def _local(moment: datetime | None) -> datetime | None:
    """Turn a stored time into what Optuna hands out: naive local time."""
    return None if moment is None else moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
