"""Trials page by page, in a stable order, by keyset.

A cursor holds the sort key of the last trial handed out, and the next page starts after that
key. Unlike an offset it neither repeats nor skips a trial when others appear in between.
"""

import base64
import binascii
import json
from collections.abc import Collection
from typing import Annotated, Any, Literal, NamedTuple

from optuna.trial import FrozenTrial, TrialState
from pydantic import Field, FiniteFloat, TypeAdapter
from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from service.trials import optuna_tables as tables
from service.trials.reading import load

Sort = Literal["number", "value", "duration"]


class _Cursor(NamedTuple):
    """Where a page ended: the order it was in and the key of its last trial, ascending."""

    sort: Sort
    descending: bool
    rank: Annotated[int, Field(ge=-1, le=2)]
    key: FiniteFloat
    number: Annotated[int, Field(ge=0, lt=2**31)]


_CURSOR = TypeAdapter(_Cursor)


def page(
    connection: Connection,
    study_id: int,
    *,
    sort: Sort = "number",
    descending: bool = False,
    states: Collection[TrialState] | None = None,
    outcomes: Collection[str] | None = None,
    after: str | None = None,
    limit: int,
) -> tuple[list[FrozenTrial], str | None]:
    """Read one page of a study's trials, without intermediate values.

    Trials without a value (or, sorted by duration, that are not finished) come last either way;
    equals come in number order. Durations count in whole milliseconds.

    Args:
        connection: an open connection.
        study_id: the study to read.
        sort: what to sort by.
        descending: whether the largest comes first.
        states: only trials in these states; None for all.
        outcomes: of the pruned ones, only those whose attribute ``outcome`` is among these.
        after: the cursor that came with the page before; None for the first page.
        limit: the most trials to return.

    Returns:
        The trials and the cursor of the next page, None if this was the last.

    Raises:
        ValueError: the cursor is broken or belongs to another order, or the limit is not positive.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1. Got {limit}.")
    rank, key = _order(sort, descending)
    order = (rank, key, tables.trials.c.number)
    statement = _trials(study_id, states, *order)
    if outcomes is not None:
        statement = statement.where(
            or_(tables.trials.c.state != TrialState.PRUNED, _one_of(outcomes))
        )
    if after is not None:
        last = _decode(after, sort, descending)
        statement = statement.where(
            tuple_(*order)
            > tuple_(literal(last.rank), literal(last.key, Double), literal(last.number))
        )
    # One more than asked for tells whether there is a next page.
    found = connection.execute(statement.order_by(*order).limit(limit + 1)).all()
    rows = found[:limit]
    trials = load(
        connection,
        tables.trials.c.trial_id.in_([trial_id for trial_id, *_ in rows]),
        intermediate=False,
    )
    place = {trial_id: index for index, (trial_id, *_) in enumerate(rows)}
    trials.sort(key=lambda trial: place[trial._trial_id])
    if len(found) <= limit:
        return trials, None
    _, *last_key = rows[-1]
    return trials, _encode(_Cursor(sort, descending, *last_key))


def _one_of(outcomes: Collection[str]) -> ColumnElement[bool]:
    attributes = tables.trial_user_attributes
    return exists().where(
        attributes.c.trial_id == tables.trials.c.trial_id,
        attributes.c.key == "outcome",
        attributes.c.value_json.in_([json.dumps(outcome) for outcome in outcomes]),
    )


def _trials(
    study_id: int, states: Collection[TrialState] | None, *order: ColumnElement[Any]
) -> Select[Any]:
    trials, values = tables.trials, tables.trial_values
    own_value = and_(values.c.trial_id == trials.c.trial_id, values.c.objective == 0)
    statement = (
        select(trials.c.trial_id, *order)
        .select_from(trials.outerjoin(values, own_value))
        .where(trials.c.study_id == study_id)
    )
    return statement if states is None else statement.where(trials.c.state.in_(states))


def _order(sort: Sort, descending: bool) -> tuple[ColumnElement[int], ColumnElement[float]]:
    """Rank and key of a trial, both ascending: a descending sort negates instead.

    The rank keeps infinities (which have no number) at their ends and trials without a key last.
    """
    sign = -1 if descending else 1
    if sort == "number":
        return literal(0), cast(sign * tables.trials.c.number, Double)
    if sort == "value":
        kind = tables.trial_values.c.value_type
        rank: ColumnElement[int] = case(
            (kind == tables.ValueType.INF_NEG, -sign),
            (kind == tables.ValueType.INF_POS, sign),
            (kind == null(), 2),
            else_=0,
        )
        return rank, cast(sign * func.coalesce(tables.trial_values.c.value, 0.0), Double)
    duration = _milliseconds(tables.trials.c.datetime_start, tables.trials.c.datetime_complete)
    rank = case((duration == null(), 2), else_=0)
    return rank, cast(sign * func.coalesce(duration, 0.0), Double)


class _milliseconds(FunctionElement[float]):  # noqa: N801 (an SQL function)
    """Whole milliseconds from one time to another: no spelling suits every database."""

    type = Double()
    inherit_cache = True


@compiles(_milliseconds)
def _by_julian_day(element: _milliseconds, compiler: SQLCompiler, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"round((julianday({end}) - julianday({start})) * 86400000.0)"


@compiles(_milliseconds, "postgresql")
def _by_epoch(element: _milliseconds, compiler: SQLCompiler, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"round(extract(epoch from {end} - {start}) * 1000.0)"


def _encode(cursor: _Cursor) -> str:
    return base64.urlsafe_b64encode(_CURSOR.dump_json(cursor)).decode().rstrip("=")


def _decode(text: str, sort: Sort, descending: bool) -> _Cursor:
    try:
        padded = (text + "=" * (-len(text) % 4)).encode("ascii")
        cursor = _CURSOR.validate_json(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise ValueError(f"The cursor {text[:80]!r} is not one that a page came with.") from error
    if (cursor.sort, cursor.descending) != (sort, descending):
        raise ValueError(
            f"The cursor belongs to trials sorted by {cursor.sort}, "
            f"{'descending' if cursor.descending else 'ascending'}: keep the order or start again."
        )
    return cursor
