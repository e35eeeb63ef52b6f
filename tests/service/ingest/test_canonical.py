"""A stored table is the table that was read, and can be had as text again."""

from pathlib import Path

import pyarrow as pa
import pytest

from service.ingest import as_csv, extremes, read_delimited, read_parquet, values, write_parquet
from tests.datasets import DATASETS

EVERY_TYPE = (
    "n,x,flag,day,moment,zoned,time,word,none\n"
    '1,1.5,true,2024-01-31,2024-01-31 10:00:00.5,2024-01-31T10:00:00Z,10:30:00,"a ""b"", c",\n'
    ",,,,,,,,\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "upload.csv"


@pytest.mark.parametrize("imperfect", [False, True])
@pytest.mark.parametrize("name", DATASETS)
def test_the_canonical_form_is_read_back_as_it_was(name: str, imperfect: bool, path: Path) -> None:
    table = read_delimited(DATASETS[name](path, imperfect=imperfect)).table
    write_parquet(table, path)
    assert read_parquet(path).equals(table)
    assert read_parquet(path).schema == table.schema


def test_every_type_survives_the_canonical_form(path: Path) -> None:
    path.write_text(EVERY_TYPE)
    table = read_delimited(path).table
    write_parquet(table, path)
    stored = read_parquet(path)
    assert stored.schema == table.schema
    assert stored.equals(table)


def test_equal_tables_have_equal_bytes(tmp_path: Path) -> None:
    whole = pa.table({"a": list(range(1000)), "b": ["x", "y"] * 500})
    pieces = pa.concat_tables([whole.slice(0, 7), whole.slice(7)])
    assert pieces["a"].num_chunks == 2
    for name, table in {"one": whole, "two": whole, "three": pieces}.items():
        write_parquet(table, tmp_path / name)
    contents = {(tmp_path / name).read_bytes() for name in ("one", "two", "three")}
    assert len(contents) == 1


def test_text_made_of_a_table_is_read_as_that_table(tmp_path: Path) -> None:
    (tmp_path / "given.csv").write_text(EVERY_TYPE + "2,2.5e-300,FALSE,,,,,é,\n" * 25_000)
    table = read_delimited(tmp_path / "given.csv").table
    write_parquet(table, tmp_path / "stored")
    parts = list(as_csv(tmp_path / "stored"))
    assert len(parts) > 1
    (tmp_path / "again.csv").write_bytes(b"".join(parts))
    assert read_delimited(tmp_path / "again.csv").table.equals(table)


def test_one_column_and_its_ends_can_be_had_alone(path: Path) -> None:
    path.write_text("a,a.b,day,none\n3,x,2024-01-31,\n-1.5,y,2023-12-01,\n,x,2024-01-30,\n")
    write_parquet(read_delimited(path).table, path)
    assert values(path, "a").to_pylist() == [3.0, -1.5, None]
    assert values(path, "a.b").to_pylist() == ["x", "y", "x"]
    found = extremes(path)
    assert found["a"] == (-1.5, 3.0)
    assert [str(day) for day in found["day"]] == ["2023-12-01", "2024-01-31"]
    assert "none" not in found
