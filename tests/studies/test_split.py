"""Rows are cut as asked: by class, by group, by time, and what does not fit is refused."""

from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.data.prepare import Data, prepare
from studies.data.schema import describe
from studies.data.split import sizes, split_by_group, split_by_time
from studies.errors import SpecError
from studies.resolve import resolve
from studies.spec import StudySpec
from tests.studies.scripts import case, write
from tests.studies.test_script import compare

ROWS = 120


def table() -> pa.Table:
    return pa.table(
        {
            "x": [i * 7 % 31 / 2 for i in range(ROWS)],
            "patient": [f"p{i % 11}" for i in range(ROWS)],
            "day": [date(2024, 1, 1) + timedelta(days=i * 37 % ROWS) for i in range(ROWS)],
            "site": [None, *(i % 5 for i in range(1, ROWS))],
            "two": [i % 2 for i in range(ROWS)],
            "y": ["yes" if i % 3 else "no" for i in range(ROWS)],
        }
    )


def prepared(**fields: Any) -> Data:
    schema = describe(table())
    return prepare(table(), schema, resolve(StudySpec.model_validate(fields), schema).spec)


def refused(**fields: Any) -> SpecError:
    with pytest.raises(SpecError) as caught:
        resolve(StudySpec.model_validate(fields), describe(table()))
    return caught.value


@settings(deadline=None)
@given(
    groups=st.lists(st.integers(0, 12), min_size=20, max_size=200), seed=st.integers(0, 2**32 - 1)
)
def test_no_group_is_on_two_sides(groups: list[int], seed: int) -> None:
    numbered = np.array([*groups, 0, 1, 2])
    parts = split_by_group(numbered, seed)
    sides = [parts.train, parts.validation, parts.test]
    np.testing.assert_array_equal(np.sort(np.concatenate(sides)), np.arange(len(numbered)))
    assert all(len(side) for side in sides)
    for one, other in combinations(sides, 2):
        assert not set(numbered[one]) & set(numbered[other])


@given(times=st.lists(st.floats(-1e9, 1e9), min_size=20, max_size=200))
def test_the_oldest_rows_train_and_the_newest_test(times: list[float]) -> None:
    when = np.array(times)
    parts = split_by_time(when)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == sizes(len(times))
    assert when[parts.train].max() <= when[parts.validation].min()
    assert when[parts.validation].max() <= when[parts.test].min()


@pytest.mark.parametrize(("kind", "column"), [("grouped", "patient"), ("time", "day")])
def test_the_column_is_no_feature_unless_asked(kind: str, column: str) -> None:
    usual = [name.partition("=")[0] for name in prepared().features]
    left = [n.partition("=")[0] for n in prepared(split={"kind": kind, "column": column}).features]
    asked = {"kind": kind, "column": column, "feature": True}
    kept = [name.partition("=")[0] for name in prepared(split=asked).features]
    assert column in usual
    assert column not in left
    assert column in kept


def test_a_random_split_does_not_look_at_classes() -> None:
    rows = 200
    source = pa.table({"x": [i % 7 for i in range(rows)], "y": ["a"] * 190 + ["b"] * 10})
    schema = describe(source)

    def tested(kind: str) -> list[int]:
        spec = StudySpec.model_validate({"split": {"kind": kind}})
        data = prepare(source, schema, resolve(spec, schema).spec)
        return [int((part.targets == 1).sum()) for part in (data.train, data.validation, data.test)]

    assert tested("stratified") == [6, 2, 2]
    assert tested("random") != [6, 2, 2]
    assert sum(tested("random")) == 10


def test_a_class_that_is_missing_on_one_side_is_named() -> None:
    source = pa.table(
        {
            "x": [i % 7 for i in range(100)],
            "t": list(range(7, 107)),
            "y": ["a", "b"] * 40 + ["c"] * 20,
        }
    )
    schema = describe(source)
    spec = StudySpec.model_validate({"split": {"kind": "time", "column": "t"}})
    warnings = prepare(source, schema, resolve(spec, schema).spec).warnings
    assert "no training row has the class 'c': it cannot be learned" in warnings
    assert "no validation row has the class 'c': scores say nothing of it" in warnings
    assert "no test row has the class 'a', 'b': scores say nothing of it" in warnings


@pytest.mark.parametrize(
    ("kind", "column", "problem"),
    [
        ("grouped", "site", "has no value in 1 rows"),
        ("grouped", "two", "has 2 distinct values; groups must be 3 at least"),
        ("time", "patient", "holds neither dates nor numbers; it is categorical"),
    ],
)
def test_a_column_that_cannot_split_is_refused(kind: str, column: str, problem: str) -> None:
    error = refused(split={"kind": kind, "column": column})
    assert str(error).startswith(f"split.column {column!r} {problem}.")
    assert (error.field, error.value) == ("split.column", column)
    assert error.allowed == (["x", "patient", "day"] if kind == "grouped" else ["x", "day", "two"])


@pytest.mark.parametrize("column", ["pateint", "y"])
def test_what_is_no_other_column_is_refused(column: str) -> None:
    error = refused(target="y", split={"kind": "grouped", "column": column})
    assert (error.field, error.value) == ("split.column", column)
    assert error.allowed == ["x", "patient", "day"]


def test_strata_without_classes_are_refused() -> None:
    error = refused(target="x", task="regression", split={"kind": "stratified"})
    assert (error.field, error.value) == ("split.kind", "stratified")
    assert error.allowed == ["random", "grouped", "time"]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"kind": "grouped"}, '"grouped" needs the column to split by; got none'),
        ({"kind": "random", "column": "x"}, "\"random\" takes no column; got 'x'"),
        ({"kind": "by year"}, "'random', 'stratified', 'grouped' or 'time'"),
    ],
)
def test_a_split_that_says_too_little_or_too_much_is_refused(
    split: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        StudySpec.model_validate({"split": split})


SPLITS: dict[str, dict[str, Any]] = {
    "random": {"split": {"kind": "random"}, "class_weight": "balanced"},
    "stratified": {"split": {"kind": "stratified"}, "class_weight": {"b": 2.5}},
    "patients": {"split": {"kind": "grouped", "column": "patient"}, "class_weight": "balanced"},
    "numbered groups": {"split": {"kind": "grouped", "column": "room", "feature": True}},
    "days": {"split": {"kind": "time", "column": "day"}},
    "numbers in time": {"split": {"kind": "time", "column": "room", "feature": True}},
    "values by group": {"split": {"kind": "grouped", "column": "day"}, "target": "x"},
    "values at random": {"split": {"kind": "random"}, "target": "x"},
}


@pytest.mark.parametrize("name", SPLITS)
def test_a_script_cuts_rows_as_the_study_does(name: str, tmp_path: Path) -> None:
    days = [f"2024-{i * 5 % 12 + 1:02}-{i % 28 + 1:02}" for i in range(ROWS)]
    rows = [
        (i * 7 % 31 / 2, f"p{i % 11}", i % 13 / 2, days[i], "ab"[i % 3 == 0] if i % 17 else "")
        for i in range(ROWS)
    ]
    file = write(tmp_path / "data.csv", ["x", "patient", "room", "day", "y"], rows)
    compare(case(file, **{"target": "y", **SPLITS[name]}))
