"""Which columns of a table a study learns from."""

from studies.data.schema import Column, TableSchema
from studies.spec import StudySpec


def split_column(spec: StudySpec) -> str | None:
    """The column that decides on which side a row is, if one does."""
    return None if spec.split is None else spec.split.column


def candidates(schema: TableSchema, spec: StudySpec) -> tuple[Column, ...]:
    """Every column that may be a feature: not the target, nor what rows are split by unless asked.

    Args:
        schema: of the whole table.
        spec: whose target is known.
    """
    apart = {spec.target}
    if spec.split is not None and not spec.split.feature:
        apart.add(spec.split.column)
    return tuple(column for column in schema.columns if column.name not in apart)


def features(schema: TableSchema, spec: StudySpec) -> tuple[Column, ...]:
    """The columns that a study learns from."""
    return tuple(column for column in candidates(schema, spec) if column.left_out is None)
