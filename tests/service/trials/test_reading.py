"""Reads by column agree with Optuna's own."""

from collections import Counter

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from service import trials
from tests.service.trials.conftest import Database
from tests.service.trials.waves import INF, NAN, SPACE, fields, trial, write


@pytest.mark.parametrize("maximize", [False, True])
def test_best_and_counts_agree_with_optuna(database: Database, maximize: bool) -> None:
    study_id = database.study(maximize=maximize)
    study = optuna.load_study(study_name="study", storage=database.optuna)
    with database.begin() as connection:
        assert trials.best(connection, study_id) is None
        assert set(trials.counts(connection, study_id).values()) == {0}
    # Each wave holds a better value than the last, for one direction or the other.
    for first, values in enumerate(([0.5, 0.5], [0.25, 0.75], [INF, -INF])):
        wave = [
            trial(4 * first + i, TrialState.COMPLETE, value=v, intermediate_values={0: NAN})
            for i, v in enumerate(values)
        ]
        outside = -1e9 if not maximize else 1e9
        wave.append(trial(4 * first + 2, TrialState.PRUNED, value=outside))
        wave.append(trial(4 * first + 3, TrialState.FAIL))
        write(database, study_id, wave)
        with database.begin() as connection:
            best = trials.best(connection, study_id)
            counts = trials.counts(connection, study_id)
        assert best is not None
        assert fields(best) == fields(study.best_trial)
        assert {s: n for s, n in counts.items() if n} == Counter(t.state for t in study.trials)


def test_five_thousand_trials_read_as_optuna_reads_them(database: Database) -> None:
    study_id = database.study()
    database.study("other")
    for first in range(0, 5000, 500):
        wave = [
            trial(
                number,
                (TrialState.COMPLETE, TrialState.PRUNED)[number % 2],
                value=number / 7,
                params={"lr": 1e-5 + number / 5000, "optimizer": "sgd"},
                distributions={"lr": FloatDistribution(1e-5, 2.0), "optimizer": SPACE["optimizer"]},
                intermediate_values={0: number / 3, 5: INF},
            )
            for number in range(first, first + 500)
        ]
        write(database, study_id, wave)
    with database.begin() as connection:
        assert trials.read(connection, study_id, intermediate=True) == database.seen()
