"""Trials of every kind, and how to compare them."""

import math
from datetime import datetime, timedelta
from typing import Any

from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from service import trials
from tests.service.trials.conftest import Database

INF, NAN = math.inf, math.nan
START = datetime(2026, 3, 1, 23, 59, 59, 123456)
SPACE = {
    "optimizer": CategoricalDistribution(["sgd", "adam", None, 3, 0.5, True]),
    "lr": FloatDistribution(1e-5, 1.0, log=True),
    "momentum": FloatDistribution(0.0, 0.99),
    "decay": FloatDistribution(0.0, 1.0, step=0.25),
    "width": IntDistribution(1, 1024, log=True),
    "depth": IntDistribution(1, 9, step=2),
}
PARAMS = {
    "optimizer": "adam",
    "lr": 1 / 3,
    "momentum": 0.1 + 0.2,
    "decay": 0.25,
    "width": 17,
    "depth": 3,
}


def trial(number: int, state: TrialState = TrialState.RUNNING, **fields: Any) -> FrozenTrial:
    values = {
        "value": None,
        "datetime_start": START + timedelta(seconds=number),
        "datetime_complete": START + timedelta(seconds=2 * number) if state.is_finished() else None,
        "params": dict(PARAMS),
        "distributions": dict(SPACE),
        "user_attrs": {"seed": number},
        "system_attrs": {},
        "intermediate_values": {},
    }
    return FrozenTrial(number=number, state=state, trial_id=-1, **{**values, **fields})


def asked(finished: FrozenTrial) -> FrozenTrial:
    """The same trial, before it was trained."""
    return trial(
        finished.number,
        params=finished.params,
        distributions=finished.distributions,
        user_attrs={"seed": finished.number},
        system_attrs=finished.system_attrs,
    )


def every_kind() -> list[FrozenTrial]:
    """Two waves and a half with everything that a trial can be."""
    curve = {0: 0.5, 1: INF, 2: -INF, 3: NAN, 7: 1e-300, 10: -1.7976931348623157e308}
    other = {"optimizer": 0.5, "lr": 1e-5, "width": 1024}
    notes = {"text": "naïve ≤ 1", "list": [1, None, {"a": 0.1}], "long": "x" * 5000, "nan": NAN}
    return [
        trial(0, TrialState.COMPLETE, value=0.1 + 0.2, intermediate_values=curve),
        trial(1, TrialState.COMPLETE, value=INF, user_attrs={"seed": 1} | notes),
        trial(2, TrialState.COMPLETE, value=-INF, user_attrs={"seed": -2, "why": "changed"}),
        trial(3, TrialState.PRUNED, value=0.75, intermediate_values={4: 0.75}),
        trial(4, TrialState.PRUNED, params={}, distributions={}),
        trial(5, TrialState.FAIL, intermediate_values={0: NAN}),
        trial(6, TrialState.COMPLETE, value=0.0, system_attrs={"constraints:memory": -1.0}),
        trial(
            7,
            TrialState.COMPLETE,
            value=5e-324,
            params=other,
            distributions={name: SPACE[name] for name in other},
        ),
        trial(8),
        trial(9, params={"depth": 9}, distributions={"depth": SPACE["depth"]}),
    ]


def write(database: Database, study_id: int, wave: list[FrozenTrial]) -> None:
    """As the server does: ask in one transaction, tell in another."""
    with database.begin() as connection:
        trials.insert_running(connection, study_id, [asked(each) for each in wave])
    finished = [each for each in wave if each.state.is_finished()]
    with database.begin() as connection:
        trials.finish(connection, study_id, finished)


def fields(each: FrozenTrial, *, intermediate: bool = True) -> dict[str, Any]:
    """Everything a trial says, in a form in which NaN equals NaN."""
    return {
        "number": each.number,
        "state": each.state,
        "values": repr(each.values),
        "start": each.datetime_start,
        "complete": each.datetime_complete,
        "params": {name: (type(value), value) for name, value in each.params.items()},
        "order of params": list(each.params),
        "distributions": each.distributions,
        "user_attrs": {key: repr(value) for key, value in each.user_attrs.items()},
        "system_attrs": each.system_attrs,
        "reports": {step: repr(v) for step, v in each.intermediate_values.items()}
        if intermediate
        else {},
    }


def done(number: int, **fields: Any) -> FrozenTrial:
    return trial(number, TrialState.COMPLETE, **{"value": 1.0, **fields})
