"""What must be true of a database whatever happened to those who wrote it."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from tests.service.journeys import Json

Result = tuple[Any, ...]


def results(database: str, study: str) -> list[Result]:
    """The trials of a study as Optuna reads them from an address, with all that does not depend on the clock."""
    storage = optuna.storages.RDBStorage(database, skip_table_creation=True)
    try:
        trials = optuna.load_study(study_name=study, storage=storage).trials
    finally:
        storage.remove_session()
        storage.engine.dispose()
    return [
        (t.number, t.state, t.params, t.values, t.intermediate_values, t.user_attrs["outcome"])
        for t in trials
    ]


def check(database: str, job: Json) -> list[Result]:
    """See that a job that ended is whole, and return its results.

    Every number is there once, no trial is under way, and what the job counted is what there is.
    """
    found = results(database, job["study"])
    assert [number for number, *_ in found] == list(range(len(found)))
    assert TrialState.RUNNING not in {state for _, state, *_ in found}
    outcomes = Counter(outcome for *_, outcome in found)
    counted = {outcome: job["counts"][outcome] for outcome in outcomes}
    assert counted == outcomes, job
    assert job["counts"]["total"] == len(found)
    assert job["counts"]["running"] == 0
    return found


def check_file(database: Path) -> None:
    """See that SQLite finds nothing wrong with the file."""
    with sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
