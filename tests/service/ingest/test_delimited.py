"""A text file becomes a typed table, or an error that says where and what to do."""

import csv
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ingest import IngestError, read_delimited
from studies.data.dialect import Dialect
from studies.errors import DataError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "upload.csv"


def read(path: Path, content: str | bytes) -> pa.Table:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_delimited(path).table


def refused(path: Path, content: str | bytes) -> IngestError:
    with pytest.raises(IngestError) as caught:
        read(path, content)
    assert isinstance(caught.value, DataError)
    assert caught.value.field == "file"
    return caught.value


def test_columns_get_the_type_of_their_values(path: Path) -> None:
    table = read(
        path,
        "n,x,flag,day,moment,time,word\n"
        "1,1.5,true,2024-01-31,2024-01-31 10:00:00.5,10:30:00,a\n"
        "-2,2,False,2024-02-01,2024-01-31T10:00:00,11:00:00,b\n",
    )
    assert [str(field.type) for field in table.schema] == [
        "int64",
        "double",
        "bool",
        "date32[day]",
        "timestamp[us]",
        "time32[ms]",
        "string",
    ]
    assert table["x"].to_pylist() == [1.5, 2.0]
    assert table["flag"].to_pylist() == [True, False]
    assert table["day"].to_pylist() == [date(2024, 1, 31), date(2024, 2, 1)]
    assert table["moment"].to_pylist()[0] == datetime(2024, 1, 31, 10, 0, 0, 500_000)


@pytest.mark.parametrize(
    "missing", ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "?", " ?", '"NA"']
)
def test_missing_values_have_many_spellings(path: Path, missing: str) -> None:
    table = read(path, f"n,word,flag\n1,a,true\n{missing},{missing},{missing}\n")
    assert [str(field.type) for field in table.schema] == ["int64", "string", "bool"]
    assert table.to_pylist()[1] == {"n": None, "word": None, "flag": None}


def test_quoted_values_may_hold_commas_newlines_and_quotes(path: Path) -> None:
    table = read(path, 'a,"b, c"\n1,"x, y"\n2,"first\nsecond"\n3,"said ""no"""\n')
    assert table.column_names == ["a", "b, c"]
    assert table["b, c"].to_pylist() == ["x, y", "first\nsecond", 'said "no"']


def test_text_and_names_lose_the_spaces_around_them(path: Path) -> None:
    table = read(path, "a , b\n1, yes \n2,no\n")
    assert table.to_pydict() == {"a": [1, 2], "b": ["yes", "no"]}


def test_a_lone_quote_inside_a_value_is_kept(path: Path) -> None:
    assert read(path, 'a,b\n1,5" pipe\n')["b"].to_pylist() == ['5" pipe']


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_byte_order_mark_and_line_ends_do_not_matter(path: Path, newline: str) -> None:
    lines = ["", "a,b", "1,x", "", "2,y", ""]
    table = read(path, b"\xef\xbb\xbf" + newline.join(lines[1:]).encode())
    assert table.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}
    assert read(path, newline.join(lines)).equals(table)


def test_a_name_ending_in_gz_is_read_as_the_text_it_is(tmp_path: Path) -> None:
    assert read(tmp_path / "upload.gz", "a,b\n1,2\n").num_rows == 1


def test_a_type_may_change_far_into_the_file(path: Path) -> None:
    table = read(path, "a,b\n" + "1,2\n" * 3_000_000 + "x,0.5\n")
    assert [str(field.type) for field in table.schema] == ["string", "double"]
    assert table.slice(3_000_000).to_pydict() == {"a": ["x"], "b": [0.5]}


texts = st.text(
    st.one_of(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), st.sampled_from(', "\n'))
)


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False) | st.none(),
            texts.map(lambda text: f"x{text}x"),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_what_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float | None, str]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "upload.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["n", "x", "word"], *rows])
    table = read_delimited(path).table
    assert table["n"].to_pylist() == [row[0] for row in rows]
    assert table["x"].to_pylist() == [row[1] for row in rows]
    assert table["word"].to_pylist() == [row[2] for row in rows]


@pytest.mark.parametrize("content", ["", "\n\n", b"\xef\xbb\xbf", " \n"])
def test_an_empty_file_is_refused(path: Path, content: str | bytes) -> None:
    error = refused(path, content)
    assert str(error) == "the file is empty. Upload a header and rows."
    assert (error.value, error.allowed) == ("no rows", "a CSV table")


@pytest.mark.parametrize("content", ["a,b", "a,b\n", "a,b\n\n"])
def test_a_header_alone_is_refused(path: Path, content: str) -> None:
    error = refused(path, content)
    assert str(error) == "the file has a header of 2 columns and no rows. Add rows."
    assert (error.value, error.allowed) == ("no rows", "at least one row below the header")


@pytest.mark.parametrize("content", ["5.1,3.5,0\n4.9,3.0,0\n", "5.1,,-1e3\n"])
def test_a_first_row_of_numbers_is_no_header(path: Path, content: str) -> None:
    error = refused(path, content)
    assert str(error) == (
        "the file has no header: its first row is numbers, starting with '5.1'. "
        "Add a first row with the column names."
    )
    assert (error.value, error.allowed) == ("'5.1'", "a first row of column names")


def test_a_column_without_a_name_is_refused(path: Path) -> None:
    error = refused(path, ",a,b\n0,1,2\n")
    assert str(error) == (
        "column 1 has no name. Name it in the first row, or leave it out "
        "(pandas writes such a column for its index unless told index=False)."
    )
    assert (error.value, error.allowed) == ("column 1", "a name for every column")


def test_two_columns_of_one_name_are_refused(path: Path) -> None:
    error = refused(path, "a,b, a\n0,1,2\n")
    assert str(error) == "columns 1 and 3 have the same name, 'a'. Rename one."
    assert (error.value, error.allowed) == ("a", "distinct column names")


@pytest.mark.parametrize(
    ("row", "values"), [("5,6,7", 3), ("5", 1), ('5,"6\n",7', 3), ("SECRET,SECRET,SECRET", 3)]
)
def test_a_ragged_row_is_named_by_its_line(path: Path, row: str, values: int) -> None:
    error = refused(path, f'a,b\n1,"two\nlines"\n\n{row}\n7,8\n')
    assert str(error) == (
        f"the row in line 5 has {values} values; the header has 2 columns, separated by commas. "
        "Quote values that hold the delimiter, and write nothing between two delimiters for a "
        "missing one."
    )
    assert (error.value, error.allowed) == (f"{values} values in line 5", "2 values in every row")


@pytest.mark.parametrize("rest", ["", "3,4\n5,6\n"])
def test_an_open_quote_is_named_by_its_line(path: Path, rest: str) -> None:
    error = refused(path, f'a,b\n1,2\n1,"2\n{rest}')
    assert str(error) == (
        "the row in line 3 cannot be read (unexpected end of data). "
        "Check that each quote is closed, and doubled where it belongs to a value."
    )
    assert (error.value, error.allowed) == ("line 3", "quotes around a value or none")


UMLAUTS = "name;price;size\nMüller;1.234,5;7\nJäger;,5;8\nGruß;-2,25;9\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_dialect_is_found_out(path: Path, encoding: str, delimiter: str) -> None:
    path.write_bytes(UMLAUTS.replace(";", delimiter).encode(encoding))
    upload = read_delimited(path)
    assert upload.table.to_pydict() == {
        "name": ["Müller", "Jäger", "Gruß"], "price": [1234.5, 0.5, -2.25], "size": [7, 8, 9],
    }  # fmt: skip
    assert upload.format == Dialect(
        encoding=encoding.removesuffix("-sig"), delimiter=delimiter, decimal_commas=("price",)
    )
    assert bool(upload.warnings) == (encoding == "cp1252")


def test_a_guessed_encoding_is_told(path: Path) -> None:
    cyrillic = "имя,цена\nИван,5\nПётр,6\nМария,7\n"
    path.write_bytes(cyrillic.encode("cp1251"))
    upload = read_delimited(path)
    assert upload.table.column_names == ["имя", "цена"]
    assert upload.warnings == (
        "the file is not UTF-8; it was read as cp1251, by the look of its letters",
    )


@pytest.mark.parametrize(
    "values", ["1,5;2.5\n1.5;2.5", "192.168.100;1\n10.000.001;2", "1,2,3;1\n1,5;2", "+;1\n1,5;2"]
)
def test_what_is_no_decimal_comma_stays_text(path: Path, values: str) -> None:
    table = read(path, f"a;b\n{values}\n")
    assert table["a"].to_pylist() == [row.split(";")[0] for row in values.splitlines()]


def test_between_commas_no_comma_is_decimal(path: Path) -> None:
    assert read(path, 'a,b\n"1,234",1\n"2,345",2\n')["a"].to_pylist() == ["1,234", "2,345"]


def test_the_delimiter_is_the_one_that_cuts_rows_alike(path: Path) -> None:
    assert read(path, "a;b,c\n1;2;3,4\n5,6\n").column_names == ["a;b", "c"]
    assert read(path, "a,x;b,y\n1,5;2,5\n3;4\n").column_names == ["a,x", "b,y"]


@pytest.mark.parametrize(
    ("content", "line", "byte"),
    [
        ("a,b\n1,é\n".encode() + b"1,caf\xe9\n", 3, "0xe9"),  # lines of two encodings
        (b"\xef\xbb\xbfa,b\n1,caf\xe9\n", 2, "0xe9"),  # it says that it is UTF-8
        (b"\x80\x04\x95\x1e\x8c\x08builtins\n", 1, "0x80"),  # a pickle
        ("a,é\n".encode() + b"1,2\n" * 400_000 + b"\xff,2\n", 400_002, "0xff"),
    ],
)
def test_what_is_no_text_in_one_encoding_is_refused(
    path: Path, content: bytes, line: int, byte: str
) -> None:
    error = refused(path, content)
    assert str(error) == (
        f"line {line} of the file is not UTF-8 text, or not the text that the other lines are: "
        f"byte {byte}. Save it as 'CSV UTF-8'."
    )
    assert error.value == f"byte {byte} in line {line}"


@pytest.mark.parametrize("content", [b"a,b\n1,\0\n", "a,b\n".encode("utf-16-be") * 2])
def test_nul_bytes_are_refused(path: Path, content: bytes) -> None:
    error = refused(path, content)
    line = 2 if content.startswith(b"a") else 1
    assert str(error) == (
        f"line {line} of the file holds a NUL byte, so this is no CSV text. Save it as 'CSV UTF-8'."
    )
    assert (error.value, error.allowed) == (f"NUL byte in line {line}", "text")


def test_one_column_is_no_table(path: Path) -> None:
    error = refused(path, "a\n1\n2\n")
    assert str(error) == (
        "the file has one column; a table needs a target and at least one feature, separated by "
        "commas, semicolons, tabs, vertical bars."
    )
    assert (error.value, error.allowed) == ("one column", "two or more columns")


def test_columns_are_limited(path: Path) -> None:
    def wide(columns: int) -> str:
        return ",".join(f"c{i}" for i in range(columns)) + "\n" + "1," * (columns - 1) + "1\n"

    assert read(path, wide(10_000)).num_columns == 10_000
    error = refused(path, wide(10_001))
    assert str(error) == (
        "the file has 10001 columns; at most 10000 are taken. "
        "Remove columns, or store the table the other way round."
    )
    assert (error.value, error.allowed) == (10_001, "2 to 10000 columns")


def test_a_row_longer_than_a_block_is_refused(path: Path) -> None:
    row = ",".join(["x" * 100_000] * 400)
    header = ",".join(f"c{i}" for i in range(400))
    error = refused(path, f"{header}\n{row}\n")
    assert str(error) == (
        "the file cannot be read as rows with commas between values. Check its quotes, and that "
        "no row is longer than 16,777,216 bytes."
    )
    assert error.value == "unreadable rows"
    assert error.allowed == (
        "rows of values, quoted where a value holds the delimiter or a newline"
    )
