"""A table in the form in which it is kept: Parquet, equal tables as equal bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from studies.data.columns import MISSING
from studies.data.images import shape_of

ROWS_AT_ONCE = 10_000


def canonical(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as a stored table reads back.

    Text has no spaces around it and no spelled gaps; times of day are kept to the second.
    """
    if pa.types.is_string(column.type):
        trimmed = pc.utf8_trim_whitespace(column)
        missing = pc.is_in(trimmed, value_set=pa.array(MISSING))
        return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)
    # the units that Parquet keeps
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    if pa.types.is_time(column.type):
        return column.cast(pa.time32("s"), safe=False).cast(pa.time32("ms"))
    return column


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a table so that equal tables give equal bytes."""
    # how a table is cut into chunks would show in the pages
    pq.write_table(table.combine_chunks(), path, compression="zstd", compression_level=3)


def as_csv(path: Path) -> Iterator[bytes]:
    """What `write_parquet` wrote, as CSV: UTF-8, commas, points before decimals."""
    with pq.ParquetFile(path, arrow_extensions_enabled=False) as file:
        header = True
        for batch in file.iter_batches(ROWS_AT_ONCE):
            text = pa.BufferOutputStream()
            plain = pa.table([_as_text(c) for c in batch.columns], names=batch.schema.names)
            pa_csv.write_csv(plain, text, pa_csv.WriteOptions(include_header=header))
            yield text.getvalue().to_pybytes()
            header = False


def _as_text(column: pa.Array) -> pa.Array:
    """A column as CSV can hold it: images in hexadecimal digits."""
    if pa.types.is_fixed_size_binary(column.type):
        return pa.array([image.hex() for image in column.to_pylist()])
    # without the fractions, which are 0, and which no reader of CSV takes
    return column.cast(pa.time32("s")) if pa.types.is_time(column.type) else column


def head(path: Path, rows: int) -> list[dict[str, Any]]:
    """The first rows of what `write_parquet` wrote: values by column, of images the shape."""
    with pq.ParquetFile(path, arrow_extensions_enabled=False) as file:
        first = next(file.iter_batches(rows), None)
        if first is None:
            return []
        shapes = {field.name: shape_of(field) for field in first.schema}
        return [
            {name: shapes[name] or value for name, value in row.items()}
            for row in first.to_pylist()
        ]


def values(path: Path, name: str) -> pa.ChunkedArray:
    """One column of what `write_parquet` wrote."""
    with pq.ParquetFile(path, arrow_extensions_enabled=False) as file:
        return file.read(columns=[name]).column(name)  # a dot in a name brings others along


def extremes(path: Path) -> dict[str, tuple[Any, Any]]:
    """The least and the greatest value of each column that has them, without reading the rows."""
    found: dict[str, list[tuple[Any, Any]]] = {}
    with pq.ParquetFile(path, arrow_extensions_enabled=False) as file:
        for group in range(file.metadata.num_row_groups):
            for place, field in enumerate(file.schema_arrow):
                known = file.metadata.row_group(group).column(place).statistics
                if known is not None and known.has_min_max:
                    found.setdefault(field.name, []).append((known.min, known.max))
    return {
        name: (min(low for low, _ in each), max(high for _, high in each))
        for name, each in found.items()
    }


def read_parquet(path: Path) -> pa.Table:
    """Read what `write_parquet` wrote."""
    with pq.ParquetFile(path, arrow_extensions_enabled=False) as file:
        return file.read()
