"""How a text file writes a table: its encoding and its delimiter, found out."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import charset_normalizer

from service.ingest.errors import IngestError

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
SAMPLE = 2**18  # bytes by which an encoding is guessed, characters by which a delimiter is found
RECORDS = 100  # of them at most are looked at

LEGACY = ["cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r",
          "shift_jis", "euc_jp", "gb18030", "big5", "cp949"]  # fmt: skip
"""Encodings that tables are still found in."""

_HIGH = re.compile(rb"[\x80-\xff]")
_ALONE = re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")  # text has none of these


class _UndecodableError(Exception):
    """A byte that an encoding does not have."""

    def __init__(self, line: int, byte: int) -> None:
        super().__init__(line, byte)
        self._line, self._byte = line, f"0x{byte:02x}"

    def told(self) -> IngestError:
        return IngestError(
            f"line {self._line} of the file is not UTF-8 text, or not the text that the other lines "
            f"are: byte {self._byte}. Save it as 'CSV UTF-8'.",
            value=f"byte {self._byte} in line {self._line}",
            allowed="text in one encoding, such as UTF-8",
        )


@dataclass(frozen=True)
class Encoding:
    """How the file's bytes stand for characters.

    Attributes:
        name: as Python knows it.
        guessed: nothing in the file says so.
        quotes: how many double quotes the file has.
    """

    name: str
    guessed: bool
    quotes: int


def find_encoding(path: Path, said: str | None = None) -> Encoding:
    """What the sender says; else UTF-8, or what a byte order mark says, or what the letters look like.

    Raises:
        IngestError: the file is binary, its lines have different encodings, or not the one said.
    """
    if said is not None:
        return _check_said(path, "utf-8-sig" if said == "utf-8" else said)
    with path.open("rb") as file:
        head = file.read(4)
    name = next((name for mark, name in MARKS.items() if head.startswith(mark)), "utf-8-sig")
    marked = head.startswith(tuple(MARKS))
    try:
        return Encoding(name, guessed=False, quotes=_count_quotes(path, name))
    except _UndecodableError as error:
        guess = None if marked else _guess(path)
        if guess is None:
            raise error.told() from error
    try:
        return Encoding(guess, guessed=True, quotes=_count_quotes(path, guess))
    except _UndecodableError as error:
        raise error.told() from error


def _check_said(path: Path, name: str) -> Encoding:
    try:
        return Encoding(name, guessed=False, quotes=_count_quotes(path, name))
    except (_UndecodableError, UnicodeError) as error:  # the latter: UTF-16 without its mark
        raise IngestError(
            f"the file is no text in {name.removesuffix('-sig')}. Say its true encoding, or none, and "
            "it is found out.",
            value=name.removesuffix("-sig"),
            allowed="the encoding that the file was written in",
        ) from error


def find_delimiter(path: Path, encoding: str) -> str:
    """The delimiter that cuts most of the first rows into as many values as the header."""
    with path.open(encoding=encoding, newline="") as file:
        sample = file.read(SAMPLE)
    found, most = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        lengths = [len(record) for record in _first_records(sample, delimiter)]
        if lengths and lengths[0] > 1:
            score = (lengths.count(lengths[0]) / len(lengths), lengths[0])
            if score > most:
                found, most = delimiter, score
    return found


def _first_records(sample: str, delimiter: str) -> Iterator[list[str]]:
    if len(sample) == SAMPLE:  # the last line may be half a record
        sample = sample[: sample.rfind("\n") + 1] or sample
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        yield from islice((record for record in reader if record), RECORDS)
    except csv.Error:  # what is wrong with this row is said when all are read
        return


def _count_quotes(path: Path, encoding: str) -> int:
    """Read the whole file as text, and refuse what is none."""
    decoder = codecs.getincrementaldecoder(encoding)()
    quotes, line = 0, 1
    with path.open("rb") as file:
        while True:
            block = file.read(2**20)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                raise _UndecodableError(line, error.object[error.start]) from error
            if "\0" in text:
                line += text[: text.index("\0")].count("\n")
                raise IngestError(
                    f"line {line} of the file holds a NUL byte, so this is no CSV text. "
                    "Save it as 'CSV UTF-8'.",
                    value=f"NUL byte in line {line}",
                    allowed="text",
                )
            quotes += text.count('"')
            line += text.count("\n")
            if not block:
                return quotes


def _guess(path: Path) -> str | None:
    """The encoding of text that is not UTF-8; None if lines differ, or it is no text at all."""
    sample = b""
    with path.open("rb") as file:
        while line := file.readline(2**20):
            if not line.isascii():
                if _is_utf8(line):
                    return None
                sample += line if len(sample) < SAMPLE else b""
    # Accents among plain letters are western text, of which few bytes tell a guesser little.
    if 2 * len(_ALONE.findall(sample)) >= len(_HIGH.findall(sample)):
        guess: str | None = "cp1252"
    else:
        best = charset_normalizer.from_bytes(sample, cp_isolation=LEGACY).best()
        guess = best.encoding if best else None
    if guess is None or _CONTROL.search(sample.decode(guess, errors="ignore")):
        return None
    return guess


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
