"""What a spec leaves open is filled in with a reason, or refused with a way out."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from service.ingest import read_upload
from studies.data.schema import TableSchema, describe
from studies.errors import SpecError
from studies.resolve import Resolved, resolve
from studies.spec import StudySpec
from tests.datasets import DATASETS

FEATURE = [i % 7 for i in range(100)]


def table(**columns: Any) -> TableSchema:
    return describe(pa.table({"x": FEATURE, **columns}))


def resolved(schema: TableSchema, **fields: Any) -> Resolved:
    return resolve(StudySpec.model_validate(fields), schema)


def refused(schema: TableSchema, **fields: Any) -> SpecError:
    with pytest.raises(SpecError) as caught:
        resolved(schema, **fields)
    return caught.value


@pytest.mark.parametrize("imperfect", [False, True])
@pytest.mark.parametrize(
    ("name", "target", "task", "metric"),
    [
        ("digits", "target", "classification", "log_loss"),
        ("breast_cancer", "diagnosis", "classification", "log_loss"),
        ("wine", "target", "classification", "log_loss"),
        ("diabetes", "progression", "regression", "rmse"),
    ],
)
def test_a_file_alone_is_enough(
    name: str, target: str, task: str, metric: str, imperfect: bool, tmp_path: Path
) -> None:
    schema = describe(
        read_upload(DATASETS[name](tmp_path / "upload.csv", imperfect=imperfect)).table
    )
    result = resolved(schema)
    assert (result.spec.target, result.spec.task, result.spec.metric) == (target, task, metric)
    assert list(result.inferred) == ["target", "task", "metric", "space.batch"]
    missing = f"rows left out, because {target!r} has no value: 1"
    assert result.warnings == ((missing,) if imperfect else ())
    assert resolve(result.spec, schema) == Resolved(result.spec, {}, result.warnings)


def test_what_is_given_is_kept() -> None:
    schema = table(a=[0, 1] * 50, target=[0, 1] * 50)
    spec = StudySpec.model_validate(
        {
            "target": "a",
            "task": "regression",
            "metric": "r2",
            "space": {"batch": [8, "full"], "optimizers": ["sgd"], "schedules": ["cosine"]},
            "seed": 7,
        }
    )
    assert resolve(spec, schema) == Resolved(spec, {}, ())


@pytest.mark.parametrize(
    ("names", "target", "reason"),
    [
        (["a", "Target", "b"], "Target", "'Target' is a usual name for what to predict"),
        (["LABEL", "a", "b"], "LABEL", "'LABEL' is a usual name for what to predict"),
        (["class", "a", "b"], "class", "'class' is a usual name for what to predict"),
        (["Y", "a", "b"], "Y", "'Y' is a usual name for what to predict"),
        (["y", "label", "target"], "target", "'target' is a usual name for what to predict"),
        (["a", "b", "c"], "c", "'c' is the last column"),
    ],
)
def test_the_target_is_found_by_name_or_place(names: list[str], target: str, reason: str) -> None:
    result = resolved(table(**{name: [0, 1] * 50 for name in names}))
    assert result.spec.target == target
    assert result.inferred["target"] == reason


@pytest.mark.parametrize(
    ("values", "task", "reason"),
    [
        (["a", "b"] * 50, "classification", "'y' is text, with 2 distinct values"),
        ([True, False] * 50, "classification", "'y' is true or false, with 2 distinct values"),
        ([0, 1] * 50, "classification", "'y' holds 2 distinct whole numbers"),
        ([1.0, 2.0] * 50, "classification", "'y' holds 2 distinct whole numbers"),
        ([2, 4, 6, 8, 10] * 20, "classification", "'y' holds 5 distinct whole numbers"),
        ([*range(2, 8)] * 16 + [2] * 4, "regression", "'y' holds numbers with 6 distinct values"),
        ([0.5, 1.5] * 50, "regression", "'y' holds numbers with 2 distinct values"),
    ],
)
def test_the_task_follows_from_the_target(values: list[Any], task: str, reason: str) -> None:
    result = resolved(table(y=values))
    assert result.spec.task == task
    assert result.inferred["task"] == reason


@pytest.mark.parametrize(
    ("task", "metric"), [("classification", "log_loss"), ("regression", "rmse")]
)
def test_the_metric_follows_from_the_task(task: str, metric: str) -> None:
    result = resolved(table(y=[0, 1] * 50), task=task)
    assert result.spec.metric == metric
    assert result.inferred["metric"] == f"{metric!r} is the usual metric for {task}"


@pytest.mark.parametrize(
    ("rows", "epochs", "batch", "training"),
    [
        (20, 20, ["full", "single"], 12),
        (50, 312, ["full", 32, "single"], 32),
        (50, 313, ["full", 32], 32),
        (100, 20, ["full", 32, "single"], 64),
        (400, 20, ["full", 32, 128, "single"], 256),
    ],
)
def test_batches_fit_the_training_rows(
    rows: int, epochs: int, batch: list[object], training: int
) -> None:
    schema = describe(pa.table({"x": [i % 7 for i in range(rows)], "y": [0, 1] * (rows // 2)}))
    result = resolved(schema, budget={"epochs": epochs})
    assert result.spec.space.batch == batch
    assert result.inferred["space.batch"] == (
        f"chosen for {training} training rows and {epochs} epochs"
    )


def test_a_batch_larger_than_the_training_rows_is_refused() -> None:
    schema = table(y=[0, 1] * 50)
    assert resolved(schema, space={"batch": [64]}).spec.space.batch == [64]
    error = refused(schema, space={"batch": ["full", 65]})
    assert str(error) == (
        "space.batch must hold numbers up to 64, the training rows. Got 65. "
        "Use 'full' for all of them."
    )
    assert (error.field, error.value) == ("space.batch", 65)
    assert error.allowed == "1 to 64, 'full' or 'single'"


def test_a_target_that_does_not_exist_is_refused_with_the_nearest_names() -> None:
    error = refused(table(species=["a", "b"] * 50), target="specie")
    assert str(error) == "target must be among x, species. Got 'specie'. Did you mean 'species'?"
    assert (error.field, error.value, error.allowed) == ("target", "specie", ["x", "species"])


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([None] * 100, "has no values"),
        (["a"] * 100, "has one value only and needs at least two"),
        ([1.5] * 99 + [None], "has one value only and needs at least two"),
        ([f"id-{i}" for i in range(100)], "has a different text in nearly every row"),
        (pa.array(range(100), pa.date32()), "holds dates, which cannot be predicted"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(values: Any, problem: str) -> None:
    error = refused(table(y=values))
    assert str(error) == f"target 'y' {problem}. Choose another column: x."
    assert (error.field, error.value, error.allowed) == ("target", "y", ["x"])


def test_a_bad_target_without_alternatives_says_so() -> None:
    schema = describe(pa.table({"a": ["c"] * 30, "y": ["d"] * 30}))
    assert str(refused(schema)) == (
        "target 'y' has one value only and needs at least two. "
        "Choose another column: none is usable."
    )


def test_a_table_without_features_is_refused() -> None:
    schema = describe(
        pa.table({"id": range(30), "same": ["s"] * 30, "none": pa.nulls(30), "y": [0, 1] * 15})
    )
    error = refused(schema)
    assert str(error) == (
        "no column is left to predict 'y' from; left out: 'id' (identifier), 'same' (constant), "
        "'none' (empty). Upload a table with at least one column whose values vary and repeat."
    )
    assert (error.field, error.value) == ("target", "y")
    assert error.allowed == "a table with at least one usable column besides the target"


def test_fewer_than_twenty_rows_are_refused() -> None:
    values = [0, 1] * 10 + [None] * 80
    assert resolved(table(y=values)).spec.target == "y"
    values[0] = None
    error = refused(table(y=values))
    assert str(error) == (
        "target 'y' has a value in 19 rows; a study needs at least 20. Upload more rows."
    )
    assert (error.field, error.value) == ("target", 19)
    assert error.allowed == "at least 20 rows with a target"


def test_regression_on_text_is_refused() -> None:
    error = refused(table(y=["a", "b"] * 50), task="regression")
    assert str(error) == (
        "task 'regression' needs a numeric target; 'y' is text. "
        "Use 'classification' or another target."
    )
    assert (error.field, error.value) == ("task", "regression")
    assert error.allowed == ["classification"]


@pytest.mark.parametrize(
    ("form", "way_out", "allowed"),
    [
        (float, "Use 'regression' or another target.", ["regression"]),
        (str, "Use another target.", []),
    ],
)
def test_too_many_classes_are_refused(form: type, way_out: str, allowed: list[str]) -> None:
    def classes(count: int) -> TableSchema:
        return describe(
            pa.table(
                {"x": [i % 7 for i in range(3003)], "y": [form(i % count) for i in range(3003)]}
            )
        )

    assert resolved(classes(1000), task="classification").spec.task == "classification"
    error = refused(classes(1001), task="classification")
    assert str(error) == (
        f"task 'classification' takes at most 1000 classes; 'y' has 1001. {way_out}"
    )
    assert (error.field, error.value, error.allowed) == ("task", "classification", allowed)


@pytest.mark.parametrize(
    ("task", "metric", "allowed"),
    [
        ("classification", "rmse", ["log_loss", "accuracy"]),
        ("regression", "accuracy", ["rmse", "mae", "r2"]),
    ],
)
def test_a_metric_of_the_other_task_is_refused(task: str, metric: str, allowed: list[str]) -> None:
    error = refused(table(y=[0, 1] * 50), task=task, metric=metric)
    assert str(error) == (f"metric must be among {', '.join(allowed)} for {task}. Got {metric!r}.")
    assert (error.field, error.value, error.allowed) == ("metric", metric, allowed)


def test_a_rare_class_is_a_warning() -> None:
    assert resolved(table(y=["a"] * 97 + ["b"] * 3)).warnings == ()
    assert resolved(table(y=["a"] * 98 + ["b"] * 2)).warnings == (
        "the rarest class of 'y' is too rare to be in training, validation and test; rows: 2",
    )
