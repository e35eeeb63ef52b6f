"""Tables of trials as files, made piece by piece: however many trials, memory holds a few."""

import io
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

FORMULA = r"^[=+\-@\t\r\n]"
"""How a cell begins that a spreadsheet would compute, and not show (OWASP, CSV Injection)."""


def as_csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """A table as CSV: UTF-8, commas, points before decimals, the first line names the columns.

    Text that a spreadsheet would take for a formula gets an apostrophe before it, by which
    spreadsheets know text; numbers stay as they are.

    Args:
        schema: of all batches.
        batches: of rows.
    """
    text = pa.BufferOutputStream()
    pa_csv.write_csv(schema.empty_table(), text)
    yield text.getvalue().to_pybytes()
    for batch in batches:
        text = pa.BufferOutputStream()
        columns = [_defused(column) for column in batch.columns]
        plain = pa.RecordBatch.from_arrays(columns, schema=schema)
        pa_csv.write_csv(plain, text, pa_csv.WriteOptions(include_header=False))
        yield text.getvalue().to_pybytes()


def as_parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """A table as Parquet, a row group for each batch.

    Args:
        schema: of all batches.
        batches: of rows.
    """
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield _drained(sink)
    yield _drained(sink)


def _defused(column: pa.Array) -> pa.Array:
    if not pa.types.is_string(column.type):
        return column
    quoted = pc.binary_join_element_wise("'", column, "")
    return pc.if_else(pc.match_substring_regex(column, FORMULA), quoted, column)


def _drained(sink: io.BytesIO) -> bytes:
    """What was written since the last time; the writer counts for itself how far it is."""
    written = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return written
