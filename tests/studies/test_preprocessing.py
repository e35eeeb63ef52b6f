"""What is said of an encoder, applied to raw rows by hand, gives the rows that it made."""

import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from studies.data.prepare import CATEGORIES, Data, prepare
from studies.data.preprocessing import Preprocessing
from studies.data.schema import describe
from studies.data.split import split
from studies.resolve import resolve
from studies.spec import StudySpec

ROWS = 400


def table() -> pa.Table:
    """Every kind of column, with gaps, rare categories, and a column that is empty in training."""
    numbers = np.random.default_rng(0)
    codes = numbers.integers(0, 3 * CATEGORIES, ROWS)
    parts = split(ROWS, 0)
    late = [5.0 * row if row in set(parts.test.tolist()) else None for row in range(ROWS)]
    return pa.table(
        {
            "size": numbers.normal(1e6, 3.0, ROWS),
            "gaps": [None if row % 7 == 0 else row % 11 for row in range(ROWS)],
            "huge": [1e39 if row == 3 else row % 5 for row in range(ROWS)],
            "late": pa.array(late, pa.float64()),
            "yes": [row % 3 == 0 for row in range(ROWS)],
            "day": [date(2020 + row % 5, 1 + row % 12, 3) for row in range(ROWS)],
            "region": [
                None if row % 13 == 0 else ("north", "south")[row % 2] for row in range(ROWS)
            ],
            "code": [f"c{code}" for code in codes],
            "y": numbers.normal(50.0, 7.0, ROWS),
        }
    )


def prepared(source: pa.Table) -> Data:
    schema = describe(source)
    spec = resolve(StudySpec.model_validate({"target": "y"}), schema).spec
    return prepare(source, schema, spec)


def number(value: Any, largest: float) -> float:
    """A value as seconds or a number; NaN if it is missing."""
    if isinstance(value, date):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    return math.nan if value is None or abs(value) > largest else float(value)


def encode(row: dict[str, Any], how: Preprocessing) -> list[float]:
    """A row by the description alone."""
    values, indicators, categories = [], [], []
    for column in how.numeric:
        value = number(row[column.name], how.largest)
        if column.mean is None or column.scale is None:
            value = math.nan
        else:
            value = (value - column.mean) / column.scale
        values.append(column.missing if math.isnan(value) else value)
        indicators += [float(math.isnan(value))] if column.indicator else []
    for each in how.categorical:
        known = row[each.name] in each.categories
        categories += [float(row[each.name] == name) for name in each.categories]
        categories += [float(not known)] if each.others else []
    return values + indicators + categories


def described(data: Data) -> Preprocessing:
    """How the data were made of their table, which can be said here."""
    assert data.preprocessing is not None
    return data.preprocessing


def by_hand(rows: list[dict[str, Any]], how: Preprocessing) -> NDArray[np.float32]:
    return np.array([encode(row, how) for row in rows], dtype=np.float32)


def test_rows_are_encoded_alike_to_the_last_bit() -> None:
    source = table()
    data, rows = prepared(source), source.to_pylist()
    how = Preprocessing.model_validate_json(described(data).model_dump_json())
    assert how.inputs == list(data.features)
    parts = split(ROWS, 0)
    for part, numbers in (
        ("train", parts.train),
        ("validation", parts.validation),
        ("test", parts.test),
    ):
        made = by_hand([rows[row] for row in numbers], how)
        assert np.array_equal(made, getattr(data, part).inputs)
        wanted = np.array([rows[row]["y"] for row in numbers])
        targets = getattr(data, part).targets
        assert targets * how.target.scale + how.target.mean == pytest.approx(wanted, rel=1e-6)


def test_what_is_special_about_a_column_is_said() -> None:
    how = described(prepared(table()))
    numeric = {column.name: column for column in how.numeric}
    assert {name for name, column in numeric.items() if column.indicator} >= {"gaps", "late"}
    assert (numeric["late"].mean, numeric["late"].scale, numeric["late"].missing) == (None, None, 0)
    assert [numeric[name].kind for name in ("size", "yes", "day")] == ["numeric", "boolean", "date"]
    region, code = how.categorical
    assert (region.categories, region.others) == (["north", "south", None], False)
    assert (len(code.categories), code.others) == (CATEGORIES - 1, True)


def test_classes_are_in_the_order_of_the_outputs() -> None:
    source = table()
    schema = describe(source)
    spec = resolve(StudySpec.model_validate({"target": "region"}), schema).spec
    data = prepare(source, schema, spec)
    assert described(data).target.classes == list(data.classes) == ["north", "south"]
    assert (described(data).target.mean, described(data).target.scale) == (0.0, 1.0)


@pytest.mark.parametrize("name", ["size", "region"])
def test_a_table_of_one_kind_of_column_is_described(name: str) -> None:
    source = table().select([name, "y"])
    data = prepared(source)
    made = by_hand(source.to_pylist(), described(data))
    assert np.array_equal(made[split(ROWS, 0).train], data.train.inputs)
