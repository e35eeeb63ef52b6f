"""How a text file writes a table."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Dialect(BaseModel):
    """Text with a delimiter between values, and a header.

    Attributes:
        encoding: as Python knows it.
        delimiter: one character.
        decimal_commas: columns whose numbers have a comma before their decimals, and perhaps
            points between their thousands.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["text"] = "text"
    encoding: str = "utf-8"
    delimiter: str = ","
    decimal_commas: tuple[str, ...] = ()


STANDARD = Dialect()
