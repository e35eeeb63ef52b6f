"""Trials that somebody else trains, while they are under way: what is reported of them."""

from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial
from sqlalchemy import Connection, delete, insert, select

from service.trials import optuna_tables as tables
from service.trials.writing import merge_attributes


def report(
    connection: Connection,
    trial: FrozenTrial,
    values: Mapping[int, float],
    attributes: Mapping[str, Any],
) -> None:
    """Add to what is known of a stored trial.

    Args:
        connection: an open transaction.
        trial: as it was read.
        values: intermediate values by step; one that is there is replaced.
        attributes: user attributes, likewise.
    """
    trial_id, table = trial._trial_id, tables.trial_intermediate_values
    for step, value in values.items():
        here = (table.c.trial_id == trial_id, table.c.step == step)
        connection.execute(delete(table).where(*here))
        number, kind = tables.intermediate_to_row(float(value))
        row = {"intermediate_value": number, "intermediate_value_type": kind}
        connection.execute(insert(table).values(trial_id=trial_id, step=step, **row))
    merge_attributes(connection, trial_id, attributes)


def forget_reports(connection: Connection, trial: FrozenTrial) -> None:
    """Forget the intermediate values of a trial that somebody else trains again."""
    table = tables.trial_intermediate_values
    connection.execute(delete(table).where(table.c.trial_id == trial._trial_id))


def at_step(
    connection: Connection, study_id: int, step: int, optimizer: float | None = None
) -> dict[int, float]:
    """What a study's trials had after so many steps, by number, in its order.

    Args:
        connection: an open connection.
        study_id: the study.
        step: how many.
        optimizer: only of trials with this one, as Optuna stores it; None for all.
    """
    table, params = tables.trial_intermediate_values, tables.trial_params
    trials = tables.trials.c
    found = (
        select(trials.number, table.c.intermediate_value, table.c.intermediate_value_type)
        .join(table, table.c.trial_id == trials.trial_id)
        .where(trials.study_id == study_id, table.c.step == step)
        .order_by(trials.number)
    )
    if optimizer is not None:
        found = found.join(params, params.c.trial_id == trials.trial_id).where(
            params.c.param_name == "optimizer", params.c.param_value == optimizer
        )
    return {
        number: tables.intermediate_from_row(value, kind)
        for number, value, kind in connection.execute(found)
    }
