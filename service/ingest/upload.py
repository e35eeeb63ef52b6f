"""What comes of reading an uploaded file."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from studies.data.dialect import Dialect


class Binary(BaseModel):
    """A file that says itself how it is to be read."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["parquet", "npz", "pictures"]


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
