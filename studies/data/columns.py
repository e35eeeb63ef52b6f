"""What a column of an Arrow table holds, and its values as numbers or labels."""

from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from studies.errors import DataError

Kind = Literal["numeric", "boolean", "date", "categorical", "text", "image", "empty"]

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "?")
"""How a file may write that a value is missing."""

LARGEST = float(np.finfo(np.float32).max)


def kind_of(name: str, column: pa.ChunkedArray) -> Kind:
    """How a column enters a model, by its Arrow type alone.

    Raises:
        DataError: the type is none of the flat ones a table may hold.
    """
    kinds = pa.types
    if column.null_count == len(column):
        return "empty"
    if kinds.is_boolean(column.type):
        return "boolean"
    if kinds.is_integer(column.type) or kinds.is_floating(column.type):
        return "numeric"
    if kinds.is_temporal(column.type) and not kinds.is_duration(column.type):
        return "date"
    if kinds.is_string(column.type) or kinds.is_large_string(column.type):
        return "categorical"
    if kinds.is_fixed_size_binary(column.type):
        return "image"
    allowed = "numbers, booleans, dates, times or text"
    raise DataError(
        f"column {name!r} has the type {column.type}; a column must hold {allowed}",
        field="file",
        value=str(column.type),
        allowed=allowed,
    )


def numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A numeric, boolean or date column as float64, missing values as NaN.

    Dates become seconds since 1970, times of day seconds since midnight. Numbers beyond
    the range of float32, infinities among them, cannot be trained on: they are missing.

    Returns:
        The values: (rows,).
    """
    if pa.types.is_time(column.type):
        column = pc.divide(column.cast(pa.time64("us")).cast(pa.int64()).cast(pa.float64()), 1e6)
    elif pa.types.is_temporal(column.type):
        microseconds = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        column = pc.divide(microseconds.cast(pa.float64(), safe=False), 1e6)
    # safe=False: integers above 2**53 are rounded instead of refused
    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy().copy()
    values[np.abs(values) > LARGEST] = np.nan
    return values


def categories(column: pa.ChunkedArray) -> list[str | None]:
    """A text, numeric or boolean column as the names of categories: (rows,).

    Whole numbers have no decimals, however they were written; False is 0 and True is 1.
    """
    if pa.types.is_string(column.type):
        texts: list[str | None] = column.to_pylist()
        return texts
    return [
        None if np.isnan(value) else str(int(value)) if value.is_integer() else str(value)
        for value in numbers(column).tolist()
    ]


def labels(column: pa.ChunkedArray) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes of a column without missing values, and the class of each row.

    Numbers keep their order, strings are sorted alphabetically, False comes before True.

    Returns:
        The class names, and an index into them for each row: (rows,).
    """
    encoded = column.combine_chunks().dictionary_encode()
    distinct: NDArray[Any] = encoded.dictionary.to_numpy(zero_copy_only=False)
    order = np.argsort(distinct)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    codes = ranks[encoded.indices.to_numpy()]  # (rows,)
    return tuple(str(value) for value in distinct[order].tolist()), codes


def present(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """True where a row has a usable value: (rows,)."""
    if pa.types.is_floating(column.type):
        return ~np.isnan(numbers(column))
    return np.asarray(column.is_valid().to_numpy(), dtype=np.bool_)
