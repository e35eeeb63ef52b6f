"""A Parquet file becomes a typed table; bombs and broken files are refused."""

from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.ingest import Binary, IngestError, read_upload
from service.ingest.columnar import read_columnar


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "upload"


def refused(path: Path) -> IngestError:
    with pytest.raises(IngestError) as caught:
        read_columnar(path)
    assert caught.value.field == "file"
    return caught.value


def test_every_flat_type_is_taken(path: Path) -> None:
    columns = {
        " n ": pa.array([1, None], pa.int8()),
        "half": pa.array(np.array([1.5, 2.5], np.float16)),
        "money": pa.array([Decimal("1.25"), None], pa.decimal128(9, 2)),
        "flag": pa.array([True, None]),
        "day": pa.array([date(2024, 1, 31), None]),
        "moment": pa.array([datetime(2024, 1, 31, 10), None], pa.timestamp("ns")),
        "time": pa.array([time(10, 30), None], pa.time64("us")),
        "word": pa.array([" a ", "NA"], pa.large_string()),
        "kind": pa.array(["x", "y"]).dictionary_encode(),
        "none": pa.nulls(2),
    }
    pq.write_table(pa.table(columns), path)
    upload = read_upload(path)
    assert upload.format == Binary(kind="parquet")
    assert upload.table.to_pydict() == {
        "n": [1, None],
        "half": [1.5, 2.5],
        "money": [1.25, None],
        "flag": [True, None],
        "day": [date(2024, 1, 31), None],
        "moment": [datetime(2024, 1, 31, 10), None],
        "time": [time(10, 30), None],
        "word": ["a", None],
        "kind": ["x", "y"],
        "none": [None, None],
    }


def test_what_pandas_writes_is_read(path: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(3000) / 7, "c": pd.Categorical(["a", "b", "c"] * 1000)})
    frame.to_parquet(path)
    table = read_columnar(path).table
    assert table.column_names == ["x", "c"]
    assert table["x"].to_pylist() == frame["x"].tolist()
    assert table["c"].to_pylist() == frame["c"].tolist()


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([[1], [2]]), "list<element: int64>"),
        (pa.array([{"a": 1}, {"a": 2}]), "struct<a: int64>"),
        (pa.array([b"x", b"y"]), "binary"),
        (pa.array([1, 2], pa.duration("s")), "duration[s]"),
    ],
)
def test_what_is_no_flat_column_is_refused(path: Path, column: pa.Array, kind: str) -> None:
    pq.write_table(pa.table({"a": [1, 2], "odd": column}), path)
    error = refused(path)
    assert str(error) == (
        f"column 'odd' has the type {kind}; a column must hold numbers, booleans, dates, times or "
        "text."
    )
    assert error.value == kind


@pytest.mark.parametrize(
    ("table", "value"),
    [
        (pa.table({"a": [1, 2]}), "1 columns, 2 rows"),
        (pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.int64())}), "2 columns, 0 rows"),
        (pa.table([[1], [2]], names=["a", "a "]), "a"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(path: Path, table: pa.Table, value: str) -> None:
    pq.write_table(table, path)
    assert refused(path).value == value


def test_many_rows_in_few_bytes_are_refused(path: Path) -> None:
    """Half a gigabyte once unpacked: a run of equal values takes hardly a byte."""
    schema = pa.schema({"a": pa.int64(), "b": pa.int64()})
    with pq.ParquetWriter(path, schema) as writer:
        for _ in range(32):
            zeros = pa.array(np.zeros(2**20, np.int64))
            writer.write_table(pa.table([zeros, zeros], schema=schema))
    size = path.stat().st_size
    assert size < 400_000
    error = refused(path)
    assert str(error).startswith(f"the file has {size:,} bytes and would take 536,870,912 or more")
    assert error.value == 2**29


def test_long_text_in_few_bytes_is_refused(path: Path) -> None:
    text = pa.array(["x" * 2**20]).dictionary_encode().dictionary.take(pa.array([0] * 200))
    pq.write_table(pa.table({"a": text, "b": text}), path)
    assert path.stat().st_size < 200_000
    assert "would take" in str(refused(path))


@pytest.mark.parametrize("seed", range(200))
def test_broken_files_are_refused_or_read(path: Path, seed: int) -> None:
    """Bytes are changed or cut off at random: never another error."""
    pq.write_table(pa.table({"a": list(range(50)), "b": [f"t{i % 7}" for i in range(50)]}), path)
    rng = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    if seed % 4 == 0:
        del content[rng.integers(len(content)) :]
    for place in rng.integers(0, len(content) or 1, rng.integers(1, 6)):
        if content:
            content[place % len(content)] = rng.integers(256)
    path.write_bytes(bytes(content))
    with suppress(IngestError):
        assert read_columnar(path).table.num_columns == 2
