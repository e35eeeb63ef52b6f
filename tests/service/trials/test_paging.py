"""Pages walk every trial exactly once, in a stable order."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState

from service import trials
from tests.service.trials.conftest import Database
from tests.service.trials.waves import INF, START, trial, write

outcomes = st.lists(
    st.tuples(
        st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, None]),
        st.sampled_from([-INF, -1e300, -1.5, -0.0, 0.0, 0.1, 0.1 + 1e-17, 2.0, 1e300, INF]),
        st.integers(0, 5000),
    ),
    max_size=12,
)


def duration(each: FrozenTrial) -> timedelta | None:
    return each.duration


def value(each: FrozenTrial) -> float | None:
    return each.value


def number(each: FrozenTrial) -> int:
    return each.number


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    outcomes=outcomes,
    descending=st.booleans(),
    limit=st.integers(1, 5),
    states=st.none() | st.sets(st.sampled_from(TrialState)),
)
def test_paging_walks_every_trial_once_in_order(
    database: Database,
    outcomes: list[tuple[TrialState | None, float, int]],
    descending: bool,
    limit: int,
    states: set[TrialState] | None,
) -> None:
    wave = [
        trial(
            index,
            state or TrialState.RUNNING,
            value=score if state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
            datetime_complete=START + timedelta(seconds=index, milliseconds=took)
            if state
            else None,
        )
        for index, (state, score, took) in enumerate(outcomes)
    ]
    study_id = database.study("walked")
    write(database, study_id, wave)
    wanted = [each for each in wave if states is None or each.state in states]
    keys: dict[trials.Sort, Callable[[FrozenTrial], Any]] = {
        "number": number,
        "value": value,
        "duration": duration,
    }
    with database.begin() as connection:
        for sort, key in keys.items():
            walked: list[FrozenTrial] = []
            cursor = None
            while True:
                page, cursor = trials.page(
                    connection,
                    study_id,
                    sort=sort,
                    descending=descending,
                    states=states,
                    after=cursor,
                    limit=limit,
                )
                walked += page
                if cursor is None:
                    break
                assert len(page) == limit
            with_key = [each for each in wanted if key(each) is not None]
            without = [each.number for each in wanted if key(each) is None]
            # Python's sort is stable both ways: equals stay in number order.
            ordered = [each.number for each in sorted(with_key, key=key, reverse=descending)]
            assert [each.number for each in walked] == ordered + without
        trials.delete_study(connection, study_id)


def test_a_walk_goes_on_where_it_was_while_trials_arrive(database: Database) -> None:
    study_id = database.study()
    write(database, study_id, [trial(i, TrialState.COMPLETE, value=i) for i in range(4)])
    with database.begin() as connection:
        first, cursor = trials.page(
            connection, study_id, sort="value", descending=True, after=None, limit=2
        )
    write(database, study_id, [trial(i, TrialState.COMPLETE, value=i) for i in range(4, 9)])
    with database.begin() as connection:
        second, end = trials.page(
            connection, study_id, sort="value", descending=True, after=cursor, limit=2
        )
    assert [each.number for each in first + second] == [3, 2, 1, 0]
    assert end is None


BROKEN = ["", "x", "ä", "=", "AAAA", "bnVsbA", "W10", "WzEsMl0", "W1tbW1tbW1tb", "a" * 10_000]


@pytest.mark.parametrize("cursor", BROKEN)
def test_a_broken_cursor_is_refused(database: Database, cursor: str) -> None:
    study_id = database.study()
    with database.begin() as connection, pytest.raises(ValueError, match="cursor"):
        trials.page(connection, study_id, after=cursor, limit=5)


def test_a_cursor_keeps_its_order(database: Database) -> None:
    study_id = database.study()
    write(database, study_id, [trial(0), trial(1)])
    with database.begin() as connection:
        _, cursor = trials.page(connection, study_id, limit=1)
        assert cursor is not None
        with pytest.raises(ValueError, match="sorted by number, ascending"):
            trials.page(connection, study_id, descending=True, after=cursor, limit=1)
        with pytest.raises(ValueError, match="sorted by number, ascending"):
            trials.page(connection, study_id, sort="value", after=cursor, limit=1)
        with pytest.raises(ValueError, match=r"limit must be at least 1. Got 0"):
            trials.page(connection, study_id, limit=0)
