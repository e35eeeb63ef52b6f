"""Text with a delimiter between values: CSV and its kin, from a file to a typed table."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv

from service.ingest.canonical import canonical
from service.ingest.errors import IngestError
from service.ingest.names import SHOWN, check_names
from service.ingest.sniffing import DELIMITERS, find_delimiter, find_encoding
from service.ingest.upload import NOTHING_SAID, Said, Upload
from studies.data.columns import MISSING
from studies.data.dialect import Dialect

BLOCK_BYTES = 16 * 2**20  # read at a time; the longest row there can be
DECIMAL_COMMA = r"^[+-]?((\d{1,3}(\.\d{3})+|\d+)(,\d*)?|,\d+)([eE][+-]?\d+)?$"
"""A number with a comma before its decimals, and perhaps points between thousands."""


def read_delimited(path: Path, said: Said = NOTHING_SAID) -> Upload:
    """Read a text file with a header into a typed table; what is not said of its dialect is found out.

    Column names and text lose the spaces around them. Dates and times are kept to the
    microsecond. A column holds integers, floats, booleans, dates, times, text or nulls.

    Raises:
        IngestError: the file is no such table; the message says where and what to do.
    """
    encoding = find_encoding(path, said.encoding)
    delimiter = said.delimiter or find_delimiter(path, encoding.name)
    file = _File(path, encoding.name, delimiter)
    names = file.names()
    if encoding.quotes % 2:
        file.check_rows(len(names))  # a quote left open swallows the rows after it
    columns = [canonical(column) for column in file.columns(len(names))]
    decimal_commas = []
    for place, (name, column) in enumerate(zip(names, columns, strict=True)):
        # Between commas "1,234" would be a number with its thousands apart, unless it is said.
        likely = file.delimiter != "," if said.decimal is None else said.decimal == ","
        if likely and _has_decimal_commas(column):
            plain = pc.replace_substring(pc.replace_substring(column, ".", ""), ",", ".")
            columns[place] = plain.cast(pa.float64())
            decimal_commas.append(name)
    guessed = f"the file is not UTF-8; it was read as {encoding.name}, by the look of its letters"
    return Upload(
        table=pa.Table.from_arrays(columns, names=names),
        format=Dialect(
            encoding=encoding.name.removesuffix("-sig"),
            delimiter=file.delimiter,
            decimal_commas=tuple(decimal_commas),
        ),
        warnings=(guessed,) if encoding.guessed else (),
    )


@dataclass(frozen=True)
class _File:
    path: Path
    encoding: str
    delimiter: str

    def columns(self, expected: int) -> list[pa.ChunkedArray]:
        """The values below the header, as Arrow types them."""
        try:
            # opened here, because by its path a file called .gz would be unpacked
            with pa.OSFile(str(self.path)) as file:
                table = pc_csv.read_csv(
                    file,
                    read_options=pc_csv.ReadOptions(
                        block_size=BLOCK_BYTES, encoding=self.encoding.removesuffix("-sig")
                    ),
                    parse_options=pc_csv.ParseOptions(
                        delimiter=self.delimiter, newlines_in_values=True
                    ),
                    convert_options=pc_csv.ConvertOptions(
                        # numbers are read past leading spaces, missing values are not
                        null_values=[*MISSING, *(f" {missing}" for missing in MISSING)],
                        strings_can_be_null=True,
                        true_values=["true", "True", "TRUE"],
                        false_values=["false", "False", "FALSE"],
                    ),
                )
        except pa.ArrowInvalid as error:
            self.check_rows(expected)
            raise IngestError(
                f"the file cannot be read as rows with {DELIMITERS[self.delimiter]} between "
                "values. Check its quotes, and that no row is longer than "
                f"{BLOCK_BYTES:,} bytes.",
                value="unreadable rows",
                allowed="rows of values, quoted where a value holds the delimiter or a newline",
            ) from error
        columns: list[pa.ChunkedArray] = table.columns
        return columns

    def names(self) -> list[str]:
        """The column names, refused if they do not name the columns of a table."""
        records = self._records()
        _, header = next(records, (0, []))
        names = [name.strip() for name in header]
        if not any(names):
            raise IngestError(
                "the file is empty. Upload a header and rows.",
                value="no rows",
                allowed="a CSV table",
            )
        if len(names) == 1:
            raise IngestError(
                "the file has one column; a table needs a target and at least one feature, "
                f"separated by {', '.join(DELIMITERS.values())}.",
                value="one column",
                allowed="two or more columns",
            )
        if all(_is_number(name) for name in names if name):
            raise IngestError(
                "the file has no header: its first row is numbers, starting with "
                f"{names[0][:SHOWN]!r}. Add a first row with the column names.",
                value=repr(names[0][:SHOWN]),
                allowed="a first row of column names",
            )
        check_names(names)
        if next(records, None) is None:
            raise IngestError(
                f"the file has a header of {len(names)} columns and no rows. Add rows.",
                value="no rows",
                allowed="at least one row below the header",
            )
        return names

    def check_rows(self, expected: int) -> None:
        """Refuse a row with more or fewer values than there are columns."""
        for line, record in self._records():
            if len(record) != expected:
                raise IngestError(
                    f"the row in line {line} has {len(record)} values; the header has {expected} "
                    f"columns, separated by {DELIMITERS[self.delimiter]}. Quote values that hold "
                    "the delimiter, and write nothing between two delimiters for a missing one.",
                    value=f"{len(record)} values in line {line}",
                    allowed=f"{expected} values in every row",
                )

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """The rows of the file, each with the line it begins in; empty lines are skipped.

        Much slower than Arrow's reader: for the header, and to say where a file is broken.
        """
        line = 1
        with self.path.open(encoding=self.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=self.delimiter, strict=True)
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


def _has_decimal_commas(column: pa.ChunkedArray) -> bool:
    # Without any comma these could be versions or addresses. All missing is None.
    return bool(
        pa.types.is_string(column.type)
        and pc.any(pc.match_substring(column, ",")).as_py()
        and pc.all(pc.match_substring_regex(column, DECIMAL_COMMA)).as_py()
    )


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
