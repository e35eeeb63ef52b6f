"""Which columns of a table a study learns from, and as what."""

from studies.data.columns import Kind
from studies.data.schema import Column, TableSchema
from studies.errors import SpecError, unknown
from studies.spec import ColumnKind, StudySpec

READABLE: dict[Kind, tuple[ColumnKind, ...]] = {
    "numeric": ("numeric", "categorical"),
    "boolean": ("boolean", "categorical", "numeric"),
    "date": ("date",),
    "categorical": ("categorical", "text"),
    "text": ("text", "categorical"),
    "image": (),
    "empty": (),
}
"""As what a column may enter a model, by what it holds; any may be ignored."""


def split_column(spec: StudySpec) -> str | None:
    """The column that decides on which side a row is, if one does."""
    return None if spec.split is None else spec.split.column


def check_columns(schema: TableSchema, spec: StudySpec) -> None:
    """Refuse kinds that the table's columns cannot have.

    Args:
        schema: of the whole table.
        spec: whose target is known.

    Raises:
        SpecError: no such column, the target, or another kind than it can be read as.
    """
    names = [column.name for column in schema.columns if column.name != spec.target]
    for name, kind in spec.columns.items():
        column = schema.column(name)
        if column is None or name == spec.target:
            raise unknown("columns", name, names)
        readable = [*READABLE[column.kind], "ignored"]
        holds = f"is {column.kind}"
        if column.left_out == "constant":
            readable, holds = ["ignored"], "has the same value in every row"
        if kind not in readable:
            raise SpecError(
                f"columns: {name!r} {holds} and must be {' or '.join(readable)}. Got {kind!r}. "
                "To be read as another kind its values must be written so in the file.",
                field="columns",
                value={name: kind},
                allowed=readable,
            )


def candidates(schema: TableSchema, spec: StudySpec) -> tuple[Column, ...]:
    """Every column that may be a feature: not the target, nor what rows are split by unless asked.

    Args:
        schema: of the whole table.
        spec: whose target is known.

    Returns:
        The columns with the kinds that the spec gives them. Beside images nothing else is a feature.
    """
    apart = {spec.target}
    if spec.split is not None and not spec.split.feature:
        apart.add(spec.split.column)
    asked = [
        _as_asked(column, spec.columns.get(column.name))
        for column in schema.columns
        if column.name not in apart
    ]
    images = [column for column in asked if column.kind == "image" and column.left_out is None]
    if images:
        beside = {"left_out": "beside images"}
        asked = [c if c in images[:1] or c.left_out else c.model_copy(update=beside) for c in asked]
    return tuple(asked)


def features(schema: TableSchema, spec: StudySpec) -> tuple[Column, ...]:
    """The columns that a study learns from."""
    return tuple(column for column in candidates(schema, spec) if column.left_out is None)


def _as_asked(column: Column, kind: ColumnKind | None) -> Column:
    if kind is None:
        return column
    if kind == "ignored":
        return column.model_copy(update={"left_out": "ignored"})
    return column.model_copy(update={"kind": kind, "left_out": None})
