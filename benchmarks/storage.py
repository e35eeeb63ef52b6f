"""Storing trials: a wave in one transaction against Optuna's storage one call at a time.

Same rows on both sides: 5 parameters, 20 intermediate values, a value and two attributes per
trial, SQLite in WAL mode with `synchronous=NORMAL`. Run alone: ``python -m benchmarks.storage``.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Engine, create_engine, event

from service import trials

WAVE = 32
REPORTS = 20
RUNS = 5
DISTRIBUTIONS = {
    "optimizer": CategoricalDistribution(["sgd", "adam", "lion"]),
    "lr": FloatDistribution(1e-5, 1.0, log=True),
    "momentum": FloatDistribution(0.0, 0.99),
    "batch": IntDistribution(16, 256, log=True),
    "schedule": CategoricalDistribution(["constant", "cosine"]),
}
PARAMS = {"optimizer": "adam", "lr": 0.001, "momentum": 0.9, "batch": 64, "schedule": "cosine"}


def wave(first: int, state: TrialState) -> list[FrozenTrial]:
    done = state.is_finished()
    return [
        FrozenTrial(
            number=number,
            state=state,
            value=0.5 if done else None,
            datetime_start=datetime.now(),
            datetime_complete=datetime.now() if done else None,
            params=dict(PARAMS),
            distributions=dict(DISTRIBUTIONS),
            user_attrs={"seed": number, "epochs": REPORTS},
            system_attrs={},
            intermediate_values={step: 1 / (step + 1) for step in range(REPORTS)} if done else {},
            trial_id=-1,
        )
        for number in range(first, first + WAVE)
    ]


def in_bulk(engine: Engine, study_id: int, first: int) -> None:
    """As the server does: one transaction when a wave is asked, one when it is told."""
    with engine.begin() as connection:
        trials.insert_running(connection, study_id, wave(first, TrialState.RUNNING))
    with engine.begin() as connection:
        trials.finish(connection, study_id, wave(first, TrialState.COMPLETE))


def call_by_call(storage: optuna.storages.RDBStorage, study_id: int, first: int) -> None:
    """As a `Study` over this storage would do: one transaction per fact."""
    for trial in wave(first, TrialState.COMPLETE):
        trial_id = storage.create_new_trial(study_id)
        for name, value in trial.params.items():
            distribution = trial.distributions[name]
            internal = distribution.to_internal_repr(value)
            storage.set_trial_param(trial_id, name, internal, distribution)
        for key, value in trial.user_attrs.items():
            storage.set_trial_user_attr(trial_id, key, value)
        for step, report in trial.intermediate_values.items():
            storage.set_trial_intermediate_value(trial_id, step, report)
        storage.set_trial_state_values(trial_id, TrialState.COMPLETE, trial.values)


def write_ahead(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _set(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")


def milliseconds_per_trial(write: Callable[[int], None], first: int, waves: int) -> float:
    start = time.perf_counter()
    for index in range(waves):
        write(first + index * WAVE)
    return 1000 * (time.perf_counter() - start) / (waves * WAVE)


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'trials.db'}"
        engine = create_engine(url)
        write_ahead(engine)
        storage = optuna.storages.RDBStorage(url)
        write_ahead(storage.engine)
        storage.engine.dispose()  # connections made from now on are set up
        with engine.begin() as connection:
            bulk = trials.create_study(connection, "bulk", maximize=False, user_attrs={})
            single = trials.create_study(connection, "single", maximize=False, user_attrs={})
        in_bulk(engine, bulk, 0)  # the first wave also compiles the statements
        call_by_call(storage, single, 0)
        runs = [
            (
                milliseconds_per_trial(partial(in_bulk, engine, bulk), WAVE * (1 + 20 * run), 20),
                milliseconds_per_trial(partial(call_by_call, storage, single), WAVE * (1 + run), 1),
            )
            for run in range(RUNS)  # in turns: both sides meet the same disturbances
        ]
        fast, slow = (statistics.median(side) for side in zip(*runs, strict=True))
        engine.dispose()
        storage.engine.dispose()
    print(f"| trials in SQLite (WAL), {REPORTS} intermediate values | ms per trial | ratio |")
    print("|---|---|---|")
    print(f"| waves of {WAVE}, two transactions each | {fast:.2f} | 1 |")
    print(f"| `RDBStorage`, one call at a time | {slow:.1f} | {slow / fast:.0f} |")


if __name__ == "__main__":
    main()
