"""A Parquet file as a typed table."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from service.ingest.canonical import canonical
from service.ingest.errors import IngestError
from service.ingest.inflation import check_inflated
from service.ingest.names import SHOWN, check_names
from service.ingest.upload import Binary, Upload

ROWS_AT_ONCE = 1000
METADATA_BYTES = 32 * 2**20  # of a name or a list in the file's metadata


def read_columnar(path: Path) -> Upload:
    """Read a Parquet file of flat columns.

    Raises:
        IngestError: it is broken, holds nested or binary columns, or far too much.
    """
    size = path.stat().st_size
    try:
        with pq.ParquetFile(
            path,
            arrow_extensions_enabled=False,
            thrift_string_size_limit=METADATA_BYTES,
            thrift_container_size_limit=METADATA_BYTES,
        ) as file:
            fields = list(file.schema_arrow)
            names = [field.name.strip() for field in fields]
            check_names(names)
            types = [_kept_as(field) for field in fields]
            rows = file.metadata.num_rows
            check_inflated(int(rows * sum(_least_bytes(kind) for kind in types)), size)
            if len(names) < 2 or rows == 0:
                raise IngestError(
                    f"the file has {len(names)} columns and {rows} rows; a table needs a target, "
                    "at least one feature, and rows.",
                    value=f"{len(names)} columns, {rows} rows",
                    allowed="two or more columns, one or more rows",
                )
            batches, held = [], 0
            for batch in file.iter_batches(ROWS_AT_ONCE):
                held += batch.nbytes
                check_inflated(held, size)
                batches.append(batch)
            table = pa.Table.from_batches(batches, schema=file.schema_arrow)
    except (pa.ArrowException, OSError) as error:
        raise IngestError(
            "the file cannot be read as Parquet. Write it again, with pandas or pyarrow, say.",
            value="unreadable",
            allowed="a Parquet file",
        ) from error
    columns = [
        canonical(column.cast(kind, safe=False))
        for column, kind in zip(table.columns, types, strict=True)
    ]
    return Upload(table=pa.Table.from_arrays(columns, names=names), format=Binary(kind="parquet"))


def _kept_as(field: pa.Field) -> pa.DataType:
    """The type that a column is kept in."""
    kind, ask = field.type, pa.types
    if ask.is_dictionary(kind):
        kind = kind.value_type
    if ask.is_decimal(kind) or ask.is_float16(kind):
        return pa.float64()
    if ask.is_large_string(kind) or ask.is_string_view(kind):
        return pa.string()
    if ask.is_primitive(kind) and not ask.is_duration(kind) and not ask.is_interval(kind):
        return kind
    if ask.is_boolean(kind) or ask.is_string(kind) or ask.is_null(kind):
        return kind
    allowed = "numbers, booleans, dates, times or text"
    raise IngestError(
        f"column {field.name[:SHOWN]!r} has the type {str(field.type)[:SHOWN]}; a column must hold "
        f"{allowed}.",
        value=str(field.type)[:SHOWN],
        allowed=allowed,
    )


def _least_bytes(kind: pa.DataType) -> float:
    try:
        return float(kind.bit_width) / 8
    except ValueError:  # of no fixed width
        return 1
