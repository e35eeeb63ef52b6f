"""A configuration for the user's own model: its optimizer and scheduler, in plain PyTorch."""

from optimizers.configuration import Configuration
from optimizers.torch_export import torch_export
from studies.data.schema import TableSchema
from studies.data.split import sizes
from studies.spec import StudySpec


def best_snippet(spec: StudySpec, schema: TableSchema, configuration: Configuration) -> str:
    """Python source that defines ``configure(model)`` and needs torch alone.

    The training that it assumes unless told otherwise has as many steps as the study's own.

    Args:
        spec: resolved.
        schema: of the table that the study was given.
        configuration: what to train with.

    Raises:
        InvalidProblem: as `torch_export`.
        ValueError: the spec is open, or its target is no column.
    """
    target = schema.column(spec.target or "")
    if target is None:
        raise ValueError("best_snippet needs a resolved spec and the schema of its table")
    rows, _, _ = sizes(schema.rows - target.missing)
    steps = -(-rows // configuration.batch_size(rows))
    return torch_export(configuration, spec.budget.epochs * steps)
