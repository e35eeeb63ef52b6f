"""What a table holds, column by column, and which columns a study leaves out."""

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from studies.data.columns import Kind, kind_of, numbers, present
from studies.data.images import ImageShape, shape_of

LeftOut = Literal["empty", "constant", "identifier", "ignored", "beside images"]

COMMON = 20  # values listed for a column, and the most a numeric column may have to list them
NEARLY_ALL_DISTINCT = 0.9  # share of distinct strings from which a column names its rows
WORDS_OF_A_TEXT = 4  # on average, from which a column of many strings holds texts
MANY_MISSING = 0.5  # share of missing values that is worth a warning

_REASONS: dict[LeftOut, str] = {
    "empty": "has no values",
    "constant": "has the same value in every row",
    "identifier": "identifies rows (nearly every value is distinct, or it counts the rows)",
    "ignored": "is to be ignored",
    "beside images": "stands beside images, which are looked at alone",
}


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Count(_Frozen):
    """One value of a column and the number of rows that hold it."""

    value: str
    rows: int


class Column(_Frozen):
    """One column of a table.

    Attributes:
        name: as in the file.
        kind: how it enters a model.
        whole: numeric, and every value is a whole number.
        missing: rows without a usable value.
        distinct: distinct values, missing ones not counted.
        rarest: rows of the least common value; 0 when there is no value.
        common: the most common values of a categorical or boolean column, or of whole
            numbers if there are few; most common first, empty for other columns.
        shape: of an image column, height, width and channels.
        left_out: why the column is no feature, if so. It may still be the target.
    """

    name: str
    kind: Kind
    whole: bool = False
    missing: int
    distinct: int
    rarest: int = 0
    common: tuple[Count, ...] = ()
    shape: ImageShape | None = None
    left_out: LeftOut | None = None


class TableSchema(_Frozen):
    """What a table holds; stored and shown in place of the table."""

    rows: int
    columns: tuple[Column, ...]
    warnings: tuple[str, ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of that name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)


def describe(table: pa.Table) -> TableSchema:
    """The schema of a table.

    Raises:
        DataError: a column has a type that no model takes.
    """
    columns = tuple(
        _column(field, values) for field, values in zip(table.schema, table.columns, strict=True)
    )
    warnings = [*explain_left_out(columns), *_many_missing(columns, table.num_rows)]
    return TableSchema(rows=table.num_rows, columns=columns, warnings=tuple(warnings))


def explain_left_out(columns: Iterable[Column]) -> list[str]:
    """One sentence for each reason to leave columns out, naming them all."""
    names: dict[LeftOut, list[str]] = {}
    for column in columns:
        if column.left_out:
            names.setdefault(column.left_out, []).append(repr(column.name))
    return [
        f"left out, because it {_REASONS[reason]}: {', '.join(names[reason])}"
        for reason in _REASONS
        if reason in names
    ]


def explain_dropped(target: str, rows: int) -> str:
    """The sentence on rows that a study drops, because they have no target."""
    return f"rows left out, because {target!r} has no value: {rows}"


def _column(field: pa.Field, values: pa.ChunkedArray) -> Column:
    name, kind = field.name, kind_of(field.name, values)
    if kind == "empty":
        return Column(name=name, kind=kind, missing=len(values), distinct=0, left_out="empty")
    usable = present(values)
    missing = int(len(usable) - usable.sum())
    if missing == len(usable):  # nothing but infinities
        return Column(name=name, kind="empty", missing=missing, distinct=0, left_out="empty")
    counted = pc.value_counts(values.filter(pa.array(usable)))
    counts = counted.field("counts").to_numpy()
    if kind == "categorical" and len(counts) > COMMON and _words(values) >= WORDS_OF_A_TEXT:
        kind = "text"
    whole = kind == "numeric" and _all_whole(values)
    lists_values = kind in {"categorical", "boolean"} or (whole and len(counts) <= COMMON)
    # a stable order: values of the same count stay in the order of the file
    most_common = np.argsort(-counts, kind="stable")[: COMMON if lists_values else 0]
    return Column(
        name=name,
        kind=kind,
        whole=whole,
        missing=missing,
        distinct=len(counts),
        rarest=int(counts.min()),
        common=tuple(
            Count(value=str(counted.field("values")[i].as_py()), rows=int(counts[i]))
            for i in most_common
        ),
        shape=shape_of(field),
        left_out=_left_out(kind, values, missing, len(counts)),
    )


def _words(values: pa.ChunkedArray) -> float:
    """Words of a string on average."""
    return float(pc.mean(pc.count_substring_regex(values, r"\S+")).as_py())


def _all_whole(values: pa.ChunkedArray) -> bool:
    if pa.types.is_integer(values.type):
        return True
    usable = numbers(values)
    usable = usable[~np.isnan(usable)]
    return bool((usable == np.floor(usable)).all())


def _left_out(kind: Kind, values: pa.ChunkedArray, missing: int, distinct: int) -> LeftOut | None:
    # one value and gaps is no constant: that the value is missing says something
    if distinct == 1 and not missing:
        return "constant"
    nearly_all = NEARLY_ALL_DISTINCT * (len(values) - missing)
    if kind == "categorical" and distinct > max(nearly_all, COMMON):
        return "identifier"
    if pa.types.is_integer(values.type) and distinct == len(values):
        first = values[0].as_py()
        if first in {0, 1} and pc.all(pc.equal(values, np.arange(distinct) + first)).as_py():
            return "identifier"
    return None


def _many_missing(columns: Iterable[Column], rows: int) -> list[str]:
    return [
        f"column {column.name!r} is missing in {column.missing} of {rows} rows"
        for column in columns
        if column.kind != "empty" and column.missing > MANY_MISSING * rows
    ]
