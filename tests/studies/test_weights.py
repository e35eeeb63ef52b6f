"""What rows of each class count: as scikit-learn counts them, in the loss and in its slope."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from optimizers.errors import InvalidProblem
from optimizers.objectives import CrossEntropy
from studies.data.prepare import prepare
from studies.data.schema import describe
from studies.data.weights import class_weights
from studies.errors import SpecError
from studies.resolve import resolve
from studies.spec import StudySpec

CLASSES = ("a", "b", "c")


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    targets = np.array([0] * 7 + [1] * 2 + [2])
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=targets)
    assert class_weights("balanced", CLASSES, targets) == pytest.approx(wanted)
    assert class_weights("balanced", CLASSES, targets[:9]) == pytest.approx((9 / 14, 9 / 4, 1))
    assert class_weights({"b": 2.5}, CLASSES, targets) == (1.0, 2.5, 1.0)
    assert class_weights(None, CLASSES, targets) is None


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_torchs_and_the_slope_its_derivative(smoothing: float) -> None:
    draw = torch.Generator().manual_seed(0)
    outputs = torch.randn(4, 3, 9, generator=draw, dtype=torch.float64).requires_grad_()
    targets = torch.randint(3, (4, 9), generator=draw)
    weights = (0.5, 2.0, 7.0)
    objective = CrossEntropy(smoothing, weights)
    wanted = torch.nn.functional.cross_entropy(
        outputs,
        targets,
        torch.tensor(weights, dtype=torch.float64),
        reduction="none",
        label_smoothing=smoothing,
    ).mean(1)
    (derivative,) = torch.autograd.grad(wanted.sum(), outputs)
    loss, slope = objective.slope(outputs.detach(), targets)
    torch.testing.assert_close(loss, wanted.detach())
    torch.testing.assert_close(slope, derivative)
    torch.testing.assert_close(objective.loss(outputs, targets), wanted)


def test_weights_that_fit_no_network_are_refused() -> None:
    with pytest.raises(InvalidProblem, match="class_weights"):
        CrossEntropy(class_weights=[1.0, -1.0])
    with pytest.raises(InvalidProblem, match="one for each of 3 classes"):
        CrossEntropy(class_weights=[1.0, 2.0]).check(torch.tensor([0, 1]), 3)


def test_a_weight_of_no_class_is_refused_with_the_classes() -> None:
    table = pa.table({"x": [i % 7 for i in range(60)], "y": ["ant", "bee", "cat"] * 20})
    spec = StudySpec.model_validate({"class_weight": {"bea": 2.0}})
    with pytest.raises(SpecError) as caught:
        resolve(spec, describe(table))
    assert (caught.value.field, caught.value.value) == ("class_weight", "bea")
    assert "must be among" in str(caught.value)
    assert "Did you mean 'bee'?" in str(caught.value)


def test_weights_of_a_regression_are_refused() -> None:
    table = pa.table({"x": [i % 7 for i in range(60)], "y": [i / 7 for i in range(60)]})
    with pytest.raises(SpecError, match="class_weight needs classes; the task is regression"):
        resolve(StudySpec(class_weight="balanced"), describe(table))


def test_classes_of_odd_numbers_are_known_once_the_rows_are_read() -> None:
    table = pa.table({"x": [i % 7 for i in range(60)], "y": [0.5, 1.5] * 30})
    schema = describe(table)
    fields = {"task": "classification", "class_weight": {"1.5": 3.0}}
    spec = resolve(StudySpec.model_validate(fields), schema).spec
    assert prepare(table, schema, spec).class_weights == (1.0, 3.0)
    wrong = spec.model_copy(update={"class_weight": {"2.5": 3.0}})
    with pytest.raises(SpecError, match=r"class_weight must be among 0\.5, 1\.5"):
        prepare(table, schema, wrong)
