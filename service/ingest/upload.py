"""What comes of reading an uploaded file."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from studies.data.dialect import Dialect

TextEncoding = Literal[
    "utf-8", "utf-16", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r",
    "shift_jis", "euc_jp", "gb18030", "big5", "cp949",
]  # fmt: skip
"""Encodings that tables are found in."""


class Binary(BaseModel):
    """A file that says itself how it is to be read."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["parquet", "npz", "pictures"]


class Said(BaseModel):
    """What the sender says of a text file; the rest is found out.

    Attributes:
        encoding: of its characters.
        delimiter: between values.
        decimal: what begins the decimals of its numbers.
    """

    model_config = ConfigDict(frozen=True)

    encoding: TextEncoding | None = None
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    decimal: Literal[".", ","] | None = None


NOTHING_SAID = Said()


Format = Dialect | Binary
"""How a file holds a table."""


@dataclass(frozen=True)
class Upload:
    """A table from a file.

    Attributes:
        table: typed, in canonical form.
        format: how the file holds it.
        warnings: what the user should know of the reading.
    """

    table: pa.Table
    format: Format
    warnings: tuple[str, ...] = ()
