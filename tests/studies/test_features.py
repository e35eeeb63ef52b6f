"""Columns enter a model as the user says, where what they hold allows it."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from studies.data.prepare import Data, prepare
from studies.data.schema import TableSchema, describe
from studies.errors import SpecError
from studies.resolve import resolve
from studies.spec import StudySpec
from tests.studies.scripts import case, write
from tests.studies.test_script import compare

ROWS = 90


def table() -> pa.Table:
    return pa.table(
        {
            "id": range(ROWS),
            "zip": [10115 + i % 3 for i in range(ROWS)],
            "size": [None if i % 9 == 0 else i % 4 / 2 for i in range(ROWS)],
            "flag": [i % 5 == 0 for i in range(ROWS)],
            "day": [date(2024, 1, i % 28 + 1) for i in range(ROWS)],
            "name": [f"n{i % 4}" for i in range(ROWS)],
            "same": ["s"] * ROWS,
            "y": [i % 2 for i in range(ROWS)],
        }
    )


def prepared(**columns: str) -> Data:
    schema = describe(table())
    spec = resolve(StudySpec.model_validate({"columns": columns}), schema).spec
    return prepare(table(), schema, spec)


def refused(columns: dict[str, str], schema: TableSchema | None = None) -> SpecError:
    with pytest.raises(SpecError) as caught:
        resolve(StudySpec.model_validate({"columns": columns}), schema or describe(table()))
    return caught.value


def test_numbers_may_be_codes() -> None:
    assert {"zip", "size", "flag"} <= set(prepared().features)
    found = prepared(zip="categorical", size="categorical", flag="categorical").features
    assert [name for name in found if name.startswith("zip")] == [
        "zip=10115", "zip=10116", "zip=10117"
    ]  # fmt: skip
    assert [name for name in found if name.startswith("size")] == [
        "size=0", "size=0.5", "size=1", "size=1.5", "size=(missing)"
    ]  # fmt: skip
    assert [name for name in found if name.startswith("flag")] == ["flag=0", "flag=1"]


def test_columns_are_ignored_and_identifiers_brought_in() -> None:
    data = prepared(zip="ignored", name="ignored", id="numeric")
    assert data.features == ("id", "size", "flag", "day", "missingindicator_size")
    assert data.warnings[:2] == (
        "left out, because it has the same value in every row: 'same'",
        "left out, because it is to be ignored: 'zip', 'name'",
    )


@pytest.mark.parametrize(
    ("columns", "message", "allowed"),
    [
        ({"day": "categorical"}, "'day' is date and must be date or ignored", ["date", "ignored"]),
        (
            {"name": "numeric"},
            "'name' is categorical and must be categorical or text or ignored",
            ["categorical", "text", "ignored"],
        ),
        ({"same": "categorical"}, "'same' has the same value in every row", ["ignored"]),
    ],
)
def test_a_kind_that_a_column_cannot_have_is_refused(
    columns: dict[str, str], message: str, allowed: list[str]
) -> None:
    error = refused(columns)
    assert str(error).startswith(f"columns: {message}")
    assert f"Got {next(iter(columns.values()))!r}" in str(error)
    assert (error.field, error.value, error.allowed) == ("columns", columns, allowed)


@pytest.mark.parametrize("name", ["zipp", "y"])
def test_what_is_no_feature_has_no_kind(name: str) -> None:
    error = refused({name: "categorical"})
    assert (error.field, error.value) == ("columns", name)
    assert error.allowed == ["id", "zip", "size", "flag", "day", "name", "same"]


def test_ignoring_everything_is_refused() -> None:
    schema = describe(pa.table({"a": [i % 7 for i in range(30)], "y": [0, 1] * 15}))
    error = refused({"a": "ignored"}, schema)
    assert str(error).startswith("no column is left to predict 'y' from; left out: 'a' (ignored).")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'date', 'text' or 'ignored'"):
        StudySpec.model_validate({"columns": {"a": "number"}})


RECAST: dict[str, dict[str, Any]] = {
    "all": {"zip": "categorical", "size": "categorical", "flag": "categorical", "day": "ignored"},
    "identifier": {"id": "numeric", "flag": "numeric", "code": "categorical"},
}


@pytest.mark.parametrize("name", RECAST)
def test_a_script_reads_columns_as_the_study_does(name: str, tmp_path: Path) -> None:
    rows = [
        (i, f"0{i % 3}", "" if i % 9 == 0 else i % 4 / 2, "true" if i % 5 else "false",
         f"2024-01-{i % 28 + 1:02}", f"i{i:03}", ["1e39", " 1.50", "2"][i % 3], i % 2)
        for i in range(ROWS)
    ]  # fmt: skip
    header = ["id", "zip", "size", "flag", "day", "code", "huge", "y"]
    columns = {**RECAST[name], "huge": "categorical"}
    compare(case(write(tmp_path / "data.csv", header, rows), columns=columns))


def test_a_script_reads_codes_with_decimal_commas(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    lines = [f"{i % 7},5;{i % 3},25;{'pq'[i % 2]}" for i in range(60)]
    file.write_text("\n".join(["a;b;y", *lines]))
    compare(case(file, columns={"a": "categorical"}))
