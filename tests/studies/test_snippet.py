import pytest

from optimizers.configuration import Batch, Configuration
from optimizers.torch_export import torch_export
from studies.data.schema import Column, TableSchema
from studies.snippet import best_snippet
from studies.spec import StudySpec
from tests.studies.pretend import resolved

TARGET = Column(name="y", kind="categorical", missing=5, distinct=2)
SCHEMA = TableSchema(rows=105, columns=(TARGET,))  # of 100 rows with a target 64 train


@pytest.mark.parametrize(
    ("batch", "steps"), [("full", 1), ("single", 64), (10, 7), (64, 1), (90, 1)]
)
def test_the_training_is_as_long_as_the_studys(batch: Batch, steps: int) -> None:
    spec = resolved(budget={"epochs": 30})
    configuration = Configuration("adamw", schedule="cosine", batch=batch)
    source = best_snippet(spec, SCHEMA, configuration)
    assert source == torch_export(configuration, 30 * steps)
    assert f"total_steps: int = {30 * steps})" in source


def test_an_open_spec_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a resolved spec"):
        best_snippet(StudySpec(), SCHEMA, Configuration("sgd"))
