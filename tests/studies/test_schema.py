"""A schema says what each column holds and which columns are no features."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from service.ingest import read_upload
from studies.data.schema import Column, Count, TableSchema, describe
from studies.errors import DataError
from tests.datasets import DATASETS, breast_cancer, digits


def described(**columns: object) -> TableSchema:
    return describe(pa.table(columns))


def only(**columns: object) -> Column:
    return described(**columns).columns[0]


def test_numbers_are_whole_or_not() -> None:
    assert only(a=[3, 1, 3, None]) == Column(
        name="a",
        kind="numeric",
        whole=True,
        missing=1,
        distinct=2,
        rarest=1,
        common=(Count(value="3", rows=2), Count(value="1", rows=1)),
    )
    assert only(a=[1.0, 2.0]).whole
    assert not only(a=[1.5, 2.0]).whole
    assert only(a=[1.5, 2.0]).common == ()


def test_whole_numbers_list_their_values_only_if_few() -> None:
    assert len(only(a=[*range(5, 25)]).common) == 20
    assert only(a=[*range(5, 26)]).common == ()


def test_booleans_and_dates_have_their_kind() -> None:
    flag = only(a=[True, False, False])
    assert flag.kind == "boolean"
    assert flag.common == (Count(value="False", rows=2), Count(value="True", rows=1))
    for unit in (pa.date32(), pa.timestamp("us"), pa.time32("ms")):
        column = only(a=pa.array([1, 2, None], unit))
        assert (column.kind, column.missing, column.distinct) == ("date", 1, 2)


def test_categories_list_the_most_common_first() -> None:
    values = [f"v{i}" for i in range(30) for _ in range(i + 1)]
    column = only(a=values)
    assert (column.kind, column.distinct, column.rarest) == ("categorical", 30, 1)
    assert [count.value for count in column.common] == [f"v{i}" for i in range(29, 9, -1)]


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39, np.nan])
def test_numbers_that_cannot_be_trained_on_are_missing(value: float) -> None:
    column = only(a=pa.array([1.0, 2.0, value]))
    assert (column.missing, column.distinct) == (1, 2)
    assert only(a=pa.array([value, value])).left_out == "empty"


@pytest.mark.parametrize("values", [pa.nulls(3), pa.nulls(3, pa.string())])
def test_a_column_without_values_is_left_out(values: pa.Array) -> None:
    schema = described(a=values, b=[1, 2, 2])
    assert schema.columns[0].left_out == "empty"
    assert schema.warnings == ("left out, because it has no values: 'a'",)


def test_a_constant_column_is_left_out_unless_it_has_gaps() -> None:
    schema = described(a=["x"] * 3, b=["x", "x", None], c=[7, 7, 7])
    assert [column.left_out for column in schema.columns] == ["constant", None, "constant"]
    assert schema.warnings == ("left out, because it has the same value in every row: 'a', 'c'",)


@pytest.mark.parametrize(
    ("values", "left_out"),
    [
        (list(range(30)), "identifier"),
        (list(range(1, 31)), "identifier"),
        (list(range(2, 32)), None),
        (list(range(29, -1, -1)), None),
        ([*range(29), None], None),
        ([float(i) for i in range(30)], None),
        ([f"name {i}" for i in range(30)], "identifier"),
        ([*(f"name {i}" for i in range(29)), "name 0"], "identifier"),
        ([f"name {i % 20}" for i in range(30)], None),
        ([f"name {i}" for i in range(20)], None),
    ],
)
def test_columns_that_name_their_rows_are_left_out(values: list[object], left_out: str) -> None:
    schema = described(a=values, b=[i % 7 for i in range(len(values))])
    assert schema.columns[0].left_out == left_out
    reason = "identifies rows (nearly every value is distinct, or it counts the rows)"
    assert schema.warnings == ((f"left out, because it {reason}: 'a'",) if left_out else ())


def test_many_missing_values_are_worth_a_warning() -> None:
    schema = described(a=[1, 2, None, None], b=[1, None, None, None])
    assert schema.warnings == ("column 'b' is missing in 3 of 4 rows",)


@pytest.mark.parametrize("values", [[[1], [2]], [b"x", b"y"]])
def test_a_type_without_a_kind_is_refused(values: list[object]) -> None:
    array = pa.array(values)
    with pytest.raises(DataError) as caught:
        describe(pa.table({"a": array}))
    allowed = "numbers, booleans, dates, times or text"
    assert str(caught.value) == (
        f"column 'a' has the type {array.type}; a column must hold {allowed}"
    )
    assert caught.value.field == "file"
    assert (caught.value.value, caught.value.allowed) == (str(array.type), allowed)


def test_a_column_is_found_by_name() -> None:
    schema = described(a=[1, 2], b=["x", "y"])
    assert schema.column("b") is schema.columns[1]
    assert schema.column("c") is None


@pytest.mark.parametrize("imperfect", [False, True])
@pytest.mark.parametrize("name", DATASETS)
def test_a_schema_survives_json(name: str, imperfect: bool, tmp_path: Path) -> None:
    schema = describe(
        read_upload(DATASETS[name](tmp_path / "upload.csv", imperfect=imperfect)).table
    )
    assert TableSchema.model_validate_json(schema.model_dump_json()) == schema


def test_digits_has_three_constant_pixels(tmp_path: Path) -> None:
    schema = describe(read_upload(digits(tmp_path / "upload.csv")).table)
    assert schema.rows == 1797
    assert schema.warnings == (
        "left out, because it has the same value in every row: "
        "'pixel_0_0', 'pixel_4_0', 'pixel_4_7'",
    )


def test_an_imperfect_file_is_described_as_it_is(tmp_path: Path) -> None:
    schema = describe(read_upload(breast_cancer(tmp_path / "upload.csv", imperfect=True)).table)
    region, remark, radius, *_, diagnosis = schema.columns
    assert (region.name, region.kind, region.distinct) == ("region", "categorical", 3)
    assert {count.value for count in remark.common} == {"calm, dry", 'said "fine", then left'}
    assert (radius.name, radius.missing) == ("mean radius", 1)
    assert (diagnosis.missing, diagnosis.rarest) == (1, 212)
