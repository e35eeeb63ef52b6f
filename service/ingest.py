"""From an uploaded CSV file to a typed table in its canonical form."""

import codecs
import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from studies.data.columns import MISSING
from studies.errors import DataError

MAX_COLUMNS = 10_000
BLOCK_BYTES = 16 * 2**20  # read at a time; the longest row there can be
DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SHOWN = 40  # characters of a name in a message


class IngestError(DataError):
    """An uploaded file is no table."""

    def __init__(self, message: str, *, value: object, allowed: str) -> None:
        super().__init__(message, field="file", value=value, allowed=allowed)


def read_csv(path: Path) -> pa.Table:
    """Read a comma-separated UTF-8 file with a header into a typed table.

    Column names and text lose the spaces around them. Dates and times are kept to the
    microsecond. A column holds integers, floats, booleans, dates, times, text or nulls.

    Raises:
        IngestError: the file is no such table; the message says where and what to do.
    """
    quotes = _check_bytes(path)
    names = _check_header(path)
    if quotes % 2:
        _check_rows(path, len(names))  # a quote left open swallows the rows after it
    try:
        # opened here, because by its path a file called .gz would be unpacked
        with pa.OSFile(str(path)) as file:
            table = pc_csv.read_csv(
                file,
                read_options=pc_csv.ReadOptions(block_size=BLOCK_BYTES),
                parse_options=pc_csv.ParseOptions(newlines_in_values=True),
                convert_options=pc_csv.ConvertOptions(
                    # numbers are read past leading spaces, missing values are not
                    null_values=[*MISSING, *(f" {missing}" for missing in MISSING)],
                    strings_can_be_null=True,
                    true_values=["true", "True", "TRUE"],
                    false_values=["false", "False", "FALSE"],
                ),
            )
    except pa.ArrowInvalid as error:
        _check_rows(path, len(names))
        raise IngestError(
            "the file cannot be read as comma-separated rows. Check its quotes, and that no row "
            f"is longer than {BLOCK_BYTES:,} bytes.",
            value="unreadable rows",
            allowed="comma-separated rows, quoted where a value holds a comma or a newline",
        ) from error
    columns = [_canonical(column) for column in table.columns]
    return pa.Table.from_arrays(columns, names=names)


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a table so that equal tables give equal bytes."""
    # how a table is cut into chunks would show in the pages
    pq.write_table(table.combine_chunks(), path, compression="zstd", compression_level=3)


def read_parquet(path: Path) -> pa.Table:
    """Read what `write_parquet` wrote."""
    with pq.ParquetFile(path, arrow_extensions_enabled=False) as file:
        return file.read()


def _check_bytes(path: Path) -> int:
    """Refuse a binary or wrongly encoded file; count its double quotes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    quotes, line = 0, 1
    with path.open("rb") as file:
        while block := file.read(2**20):
            if b"\0" in block:
                line += block[: block.index(b"\0")].count(b"\n")
                raise IngestError(
                    f"line {line} of the file holds a NUL byte, so this is no CSV text. "
                    "Save it as 'CSV UTF-8'.",
                    value=f"NUL byte in line {line}",
                    allowed="UTF-8 text",
                )
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                raise _undecodable(error, line) from error
            quotes += block.count(b'"')
            line += block.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _undecodable(error, line) from error
    return quotes


def _undecodable(error: UnicodeDecodeError, line: int) -> IngestError:
    line += error.object[: error.start].count(b"\n")
    byte = f"0x{error.object[error.start]:02x}"
    return IngestError(
        f"line {line} of the file is not UTF-8 text: byte {byte}. Save it as 'CSV UTF-8'.",
        value=f"byte {byte} in line {line}",
        allowed="UTF-8 text",
    )


def _check_header(path: Path) -> list[str]:
    """The column names, refused if they do not name the columns of a table."""
    records = _records(path)
    _, header = next(records, (0, []))
    names = [name.strip() for name in header]
    if not any(names):
        raise IngestError(
            "the file is empty. Upload a header and rows.", value="no rows", allowed="a CSV table"
        )
    if len(names) == 1:
        raise _one_column(names[0])
    if len(names) > MAX_COLUMNS:
        raise IngestError(
            f"the file has {len(names)} columns; at most {MAX_COLUMNS} are taken. "
            "Remove columns, or store the table the other way round.",
            value=len(names),
            allowed=f"2 to {MAX_COLUMNS} columns",
        )
    if all(_is_number(name) for name in names if name):
        raise IngestError(
            f"the file has no header: its first row is numbers, starting with {_short(names)}. "
            "Add a first row with the column names.",
            value=_short(names),
            allowed="a first row of column names",
        )
    _check_names(names)
    if next(records, None) is None:
        raise IngestError(
            f"the file has a header of {len(names)} columns and no rows. Add rows.",
            value="no rows",
            allowed="at least one row below the header",
        )
    return names


def _one_column(name: str) -> IngestError:
    used = [word for delimiter, word in DELIMITERS.items() if delimiter in name]
    hint = f"It seems to use {used[0]}: s" if used else "S"
    return IngestError(
        "the file has one column; a table needs a target and at least one feature, separated by "
        f"commas. {hint}ave it with commas between columns.",
        value=f"separated by {used[0]}" if used else "one column",
        allowed="two or more columns separated by commas",
    )


def _check_names(names: list[str]) -> None:
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise IngestError(
                f"column {number} has no name. Name it in the first row, or leave it out (pandas "
                "writes such a column for its index unless told index=False).",
                value=f"column {number}",
                allowed="a name for every column",
            )
        if name in first:
            raise IngestError(
                f"columns {first[name]} and {number} have the same name, {_short([name])}. "
                "Rename one.",
                value=name[:SHOWN],
                allowed="distinct column names",
            )
        first[name] = number


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of the file, each with the line it begins in; empty lines are skipped.

    Much slower than Arrow's reader: for the header, and to say where a file is broken.
    """
    line = 1
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1
        except csv.Error as error:
            raise IngestError(
                f"the row in line {line} cannot be read ({error}). Check that each quote is "
                "closed, and doubled where it belongs to a value.",
                value=f"line {line}",
                allowed="quotes around a value or none",
            ) from error


def _check_rows(path: Path, expected: int) -> None:
    """Refuse a row with more or fewer values than there are columns."""
    for line, record in _records(path):
        if len(record) != expected:
            raise IngestError(
                f"the row in line {line} has {len(record)} values; the header has {expected} "
                "columns. Quote values that hold a comma, and write empty values as ',,'.",
                value=f"{len(record)} values in line {line}",
                allowed=f"{expected} values in every row",
            )


def _canonical(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_string(column.type):
        trimmed = pc.utf8_trim_whitespace(column)
        missing = pc.is_in(trimmed, value_set=pa.array(MISSING))
        return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)
    # the units that Parquet keeps, so that a stored table reads back as it was
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    if pa.types.is_time(column.type):
        return column.cast(pa.time32("ms"))
    return column


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _short(names: list[str]) -> str:
    return repr(names[0][:SHOWN])
