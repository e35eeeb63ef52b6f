"""Create and delete studies, insert and finish trials, a few statements per wave."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from service.trials import optuna_tables as tables
from service.trials.reading import running

Row = dict[str, Any]
_ATTRIBUTES = (
    (tables.trial_user_attributes, "user_attrs"),
    (tables.trial_system_attributes, "system_attrs"),
)


def create_study(
    connection: Connection, name: str, maximize: bool, user_attrs: Mapping[str, Any]
) -> int:
    """Create an empty study with one objective and return its id.

    Raises:
        ValueError: the name is taken or too long.
    """
    tables.fitting(tables.studies.c.study_name, name)
    attributes = list(_attribute_rows(tables.study_user_attributes, user_attrs))
    same_name = select(tables.studies.c.study_id).where(tables.studies.c.study_name == name)
    if connection.execute(same_name).first() is not None:
        raise ValueError(f"A study named {name!r} exists already.")
    new = insert(tables.studies).values(study_name=name).returning(tables.studies.c.study_id)
    study_id: int = connection.execute(new).scalar_one()
    direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
    _insert(
        connection,
        tables.study_directions,
        [{"study_id": study_id, "objective": 0, "direction": direction}],
    )
    _insert(
        connection,
        tables.study_user_attributes,
        [{"study_id": study_id, **row} for row in attributes],
    )
    return study_id


def delete_study(connection: Connection, study_id: int) -> None:
    """Delete a study with everything that hangs on it, children first.

    SQLite may hand the id out again: whoever caches trials by study must forget them.

    Raises:
        LookupError: there is no such study.
    """
    trial_ids = select(tables.trials.c.trial_id).where(tables.trials.c.study_id == study_id)
    for table in tables.OF_TRIAL:
        connection.execute(delete(table).where(table.c.trial_id.in_(trial_ids)))
    for table in (tables.trials, *tables.OF_STUDY):
        connection.execute(delete(table).where(table.c.study_id == study_id))
    gone = connection.execute(delete(tables.studies).where(tables.studies.c.study_id == study_id))
    if gone.rowcount == 0:
        raise LookupError(f"There is no study {study_id}.")


def insert_running(connection: Connection, study_id: int, trials: Sequence[FrozenTrial]) -> None:
    """Insert a wave that is about to be trained.

    Args:
        connection: an open transaction.
        study_id: the study the trials belong to.
        trials: RUNNING trials, numbered on from the study's last trial without a gap.

    Raises:
        ValueError: a trial cannot be stored as it is, or the numbers do not follow on.
    """
    if not trials:
        return
    trials = sorted(trials, key=lambda trial: trial.number)
    for trial in trials:
        _check(trial, allowed=(TrialState.RUNNING,))
    rows = [_trial_row(trial) | {"study_id": study_id, "number": trial.number} for trial in trials]
    # Trials of a study share their distributions; each is put into words once.
    shared = {id(d): d for trial in trials for d in trial.distributions.values()}
    in_words = {identity: distribution_to_json(d) for identity, d in shared.items()}
    params = [list(_param_rows(trial, in_words)) for trial in trials]
    attributes = _attributes(trials)
    reports = [list(_intermediate_rows(trial)) for trial in trials]

    _check_numbers(connection, study_id, [trial.number for trial in trials])
    # The database assigns ascending ids in number order. Optuna's cached storage asks only for
    # ids above the last one it knows to be finished and would never see a lower one.
    new = insert(tables.trials).returning(tables.trials.c.trial_id, sort_by_parameter_order=True)
    trial_ids = list(connection.execute(new, rows).scalars())
    _insert(connection, tables.trial_params, _of(trial_ids, params))
    for table, attribute_rows in attributes.items():
        _insert(connection, table, _of(trial_ids, attribute_rows))
    _insert(connection, tables.trial_intermediate_values, _of(trial_ids, reports))


def finish(connection: Connection, study_id: int, trials: Sequence[FrozenTrial]) -> None:
    """Turn RUNNING rows into finished ones, with their values, reports and attributes.

    Parameters stay as they were inserted. Attributes are merged: the finished trial's win.
    Everything is checked before the first row is written.

    Args:
        connection: an open transaction.
        study_id: the study the trials belong to.
        trials: COMPLETE, PRUNED or FAIL trials; all their intermediate values.

    Raises:
        ValueError: a trial cannot be stored as it is, is named twice, or is not RUNNING.
    """
    if not trials:
        return
    trials = sorted(trials, key=lambda trial: trial.number)
    for trial in trials:
        _check(trial, allowed=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    states = [_trial_row(trial) for trial in trials]
    values = [list(_value_rows(trial)) for trial in trials]
    reports = [list(_intermediate_rows(trial)) for trial in trials]
    attributes = _attributes(trials)

    trial_ids = _running_ids(connection, study_id, [trial.number for trial in trials])
    # An upsert is spelt differently by every database; replacing is not.
    reports_table = tables.trial_intermediate_values
    connection.execute(delete(reports_table).where(reports_table.c.trial_id.in_(trial_ids)))
    _insert(connection, reports_table, _of(trial_ids, reports))
    _insert(connection, tables.trial_values, _of(trial_ids, values))
    for table, attribute_rows in attributes.items():
        _merge_attributes(connection, table, trial_ids, attribute_rows)
    change = update(tables.trials).where(tables.trials.c.trial_id == bindparam("this_trial"))
    connection.execute(
        change,
        [{"this_trial": i, **state} for i, state in zip(trial_ids, states, strict=True)],
    )


def stop(connection: Connection, study_id: int) -> int:
    """Finish the RUNNING trials as stopped, and return how many there were."""
    stopped = running(connection, study_id)
    for trial in stopped:
        trial.state = TrialState.FAIL
        trial.datetime_complete = datetime.now()  # local and without a zone, as Optuna has it
        trial.set_user_attr("outcome", "stopped")
    finish(connection, study_id, stopped)
    return len(stopped)


def _check(trial: FrozenTrial, allowed: tuple[TrialState, ...]) -> None:
    """Refuse what Optuna's own `add_trial` would refuse, naming the trial."""
    name = f"Trial {trial.number}"
    if trial.state not in allowed:
        names = ", ".join(state.name for state in allowed)
        raise ValueError(f"{name} must be {names}. Got {trial.state.name}.")
    if trial.datetime_start is None:
        raise ValueError(f"{name} needs the time it started.")
    if (trial.datetime_complete is None) == trial.state.is_finished():
        raise ValueError(f"{name} needs the time it ended if, and only if, it is finished.")
    values = trial.values or []
    if len(values) > 1 or any(math.isnan(value) for value in values):
        raise ValueError(f"{name} may have one value, which is a number. Got {values}.")
    try:
        # Optuna's public door to its own validation. Parameters are written once, by a running
        # trial, and validated then.
        asked = not trial.state.is_finished()
        create_trial(
            state=trial.state,
            values=trial.values,
            params=trial.params if asked else None,
            distributions=trial.distributions if asked else None,
        )
    except ValueError as error:
        raise ValueError(f"{name} cannot be stored: {error}") from error


def _check_numbers(connection: Connection, study_id: int, numbers: list[int]) -> None:
    """Numbers must go on densely: Optuna has no unique constraint that would stop a double."""
    last = connection.execute(
        select(tables.trials.c.number)
        .where(tables.trials.c.study_id == study_id)
        # Ids ascend with numbers, and unlike them are indexed.
        .order_by(tables.trials.c.trial_id.desc())
        .limit(1)
    ).scalar()
    first = 0 if last is None else last + 1
    if numbers != list(range(first, first + len(numbers))):
        raise ValueError(
            f"Trials of study {study_id} must be numbered from {first}. Got {numbers}."
        )


def _running_ids(connection: Connection, study_id: int, numbers: list[int]) -> list[int]:
    """Ids of the RUNNING trials with these (sorted) numbers."""
    found = connection.execute(
        select(tables.trials.c.number, tables.trials.c.trial_id)
        .where(
            tables.trials.c.study_id == study_id,
            tables.trials.c.state == TrialState.RUNNING,
            tables.trials.c.number.in_(numbers),
        )
        .order_by(tables.trials.c.number)
    ).all()
    if [number for number, _ in found] != numbers:
        missing = sorted(set(numbers) - {number for number, _ in found})
        problem = f"{missing} are not running" if missing else f"a number is doubled in {numbers}"
        raise ValueError(f"Trials of study {study_id} cannot be finished: {problem}.")
    return [trial_id for _, trial_id in found]


def _merge_attributes(
    connection: Connection, table: Table, trial_ids: list[int], rows: list[list[Row]]
) -> None:
    """Insert the attributes that are new, replace those that changed, keep the others."""
    primary_key = table.primary_key.columns[0]
    stored = {
        (trial_id, key): (row_id, value_json)
        for row_id, trial_id, key, value_json in connection.execute(
            select(primary_key, table.c.trial_id, table.c.key, table.c.value_json).where(
                table.c.trial_id.in_(trial_ids)
            )
        )
    }
    changed = [
        row
        for row in _of(trial_ids, rows)
        if stored.get((row["trial_id"], row["key"]), (0, None))[1] != row["value_json"]
    ]
    stale = [
        stored[row["trial_id"], row["key"]][0]
        for row in changed
        if (row["trial_id"], row["key"]) in stored
    ]
    if stale:
        connection.execute(delete(table).where(primary_key.in_(stale)))
    _insert(connection, table, changed)


def merge_attributes(connection: Connection, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Give a trial these user attributes; those that it has besides stay.

    Raises:
        ValueError: one is too long to be stored.
    """
    table = tables.trial_user_attributes
    rows = list(_attribute_rows(table, attributes))
    _merge_attributes(connection, table, [trial_id], [rows])


def _trial_row(trial: FrozenTrial) -> Row:
    return {
        "state": trial.state,
        "datetime_start": _naive_utc(trial.datetime_start),
        "datetime_complete": _naive_utc(trial.datetime_complete),
    }


def _param_rows(trial: FrozenTrial, in_words: Mapping[int, str]) -> Iterator[Row]:
    column = tables.trial_params.c.param_name
    for name, value in trial.params.items():
        distribution = trial.distributions[name]
        yield {
            "param_name": tables.fitting(column, name),
            "param_value": float(distribution.to_internal_repr(value)),
            "distribution_json": in_words[id(distribution)],
        }


def _value_rows(trial: FrozenTrial) -> Iterator[Row]:
    for value in trial.values or []:
        number, kind = tables.value_to_row(float(value))
        yield {"objective": 0, "value": number, "value_type": kind}


def _intermediate_rows(trial: FrozenTrial) -> Iterator[Row]:
    for step, value in trial.intermediate_values.items():
        number, kind = tables.intermediate_to_row(float(value))
        yield {"step": step, "intermediate_value": number, "intermediate_value_type": kind}


def _attributes(trials: Sequence[FrozenTrial]) -> dict[Table, list[list[Row]]]:
    return {
        table: [list(_attribute_rows(table, getattr(trial, field))) for trial in trials]
        for table, field in _ATTRIBUTES
    }


def _attribute_rows(table: Table, attributes: Mapping[str, Any]) -> Iterator[Row]:
    keys, values = table.c.key, table.c.value_json
    for key, value in attributes.items():
        yield {
            "key": tables.fitting(keys, key),
            "value_json": tables.fitting(values, json.dumps(value)),
        }


def _of(trial_ids: list[int], rows: list[list[Row]]) -> list[Row]:
    """Flatten the rows of each trial, each with the id of its trial."""
    return [
        {"trial_id": trial_id, **row}
        for trial_id, of_trial in zip(trial_ids, rows, strict=True)
        for row in of_trial
    ]


def _insert(connection: Connection, table: Table, rows: list[Row]) -> None:
    # Without rows SQLAlchemy would insert one row of defaults.
    if rows:
        connection.execute(insert(table), rows)


def _naive_utc(moment: datetime | None) -> datetime | None:
    # `astimezone` takes a naive time for local time, as Optuna does.
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)
