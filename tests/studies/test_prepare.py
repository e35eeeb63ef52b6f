"""A table becomes arrays, and no held-out row has a say in how."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ingest import read_upload
from studies.data.prepare import Data, prepare
from studies.data.schema import describe
from studies.data.split import sizes, split
from studies.errors import DataError
from studies.resolve import resolve
from studies.spec import StudySpec
from tests.datasets import DATASETS, diabetes, digits, wine

ROWS = 100


def prepared(table: pa.Table, **fields: Any) -> Data:
    schema = describe(table)
    return prepare(table, schema, resolve(StudySpec.model_validate(fields), schema).spec)


def table(**columns: Any) -> pa.Table:
    return pa.table({"x": [i * 0.5 for i in range(ROWS)], **columns, "y": [0, 1] * (ROWS // 2)})


@pytest.mark.parametrize("imperfect", [False, True])
@pytest.mark.parametrize("name", DATASETS)
def test_a_file_becomes_three_parts(name: str, imperfect: bool, tmp_path: Path) -> None:
    source = read_upload(DATASETS[name](tmp_path / "upload.csv", imperfect=imperfect)).table
    data = prepared(source)
    parts = (data.train, data.validation, data.test)
    assert tuple(len(part.targets) for part in parts) == sizes(source.num_rows - imperfect)
    for part in parts:
        assert part.inputs.shape == (len(part.targets), len(data.features))
        assert part.inputs.dtype == np.float32
        assert part.inputs.flags.c_contiguous
        assert np.isfinite(part.inputs).all()
        assert part.targets.dtype == (np.int64 if data.classes else np.float32)


def test_class_names_are_as_in_the_file_and_keep_their_order(tmp_path: Path) -> None:
    source = read_upload(digits(tmp_path / "upload.csv", imperfect=True)).table
    assert prepared(source).classes == tuple("0123456789")


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([2, 10], ("2", "10")),
        ([10, -1], ("-1", "10")),
        (["b", "a"], ("a", "b")),
        (["10", "2"], ("10", "2")),
        ([True, False], ("False", "True")),
        ([1.0, 0.0], ("0.0", "1.0")),
    ],
)
def test_classes_are_sorted(values: list[Any], classes: tuple[str, ...]) -> None:
    source = pa.table({"x": [i % 7 for i in range(ROWS)], "y": values * (ROWS // 2)})
    data = prepared(source)
    assert data.classes == classes
    rows = split(ROWS, 0, np.array([classes.index(str(v)) for v in source["y"].to_pylist()]))
    assert [data.classes[i] for i in data.train.targets] == [
        str(source["y"][i].as_py()) for i in rows.train
    ]
    assert (data.target_mean, data.target_scale) == (0.0, 1.0)


def test_regression_targets_are_standardised_by_the_training_rows(tmp_path: Path) -> None:
    source = read_upload(diabetes(tmp_path / "upload.csv")).table
    data = prepared(source)
    values = source["progression"].to_numpy()
    rows = split(len(values), 0)
    assert data.classes == ()
    assert data.target_mean == pytest.approx(values[rows.train].mean())
    assert data.target_scale == pytest.approx(values[rows.train].std())
    np.testing.assert_allclose(
        data.test.targets * data.target_scale + data.target_mean, values[rows.test], rtol=1e-5
    )


def test_a_target_constant_in_training_keeps_its_unit() -> None:
    rows = split(ROWS, 0)
    values = np.full(ROWS, 0.1)
    values[rows.test[0]] = 1.1
    data = prepared(pa.table({"x": [i % 7 for i in range(ROWS)], "y": values}))
    assert data.target_scale == 1.0
    assert data.test.targets[0] == pytest.approx(1.0)


def test_numbers_are_standardised_by_the_training_rows(tmp_path: Path) -> None:
    data = prepared(read_upload(wine(tmp_path / "upload.csv")).table)
    np.testing.assert_allclose(data.train.inputs.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(data.train.inputs.std(axis=0), 1.0, rtol=1e-5)
    assert np.abs(data.test.inputs.mean(axis=0)).max() > 0.01


def test_missing_numbers_become_the_median_and_an_indicator() -> None:
    values = [None if i % 5 == 0 else float(i % 11) for i in range(ROWS)]
    data = prepared(table(a=values))
    assert data.features == ("x", "a", "missingindicator_a")
    rows = split(ROWS, 0, np.arange(ROWS) % 2)
    present = np.array([values[i] for i in rows.train if values[i] is not None], dtype=float)
    median = (np.median(present) - present.mean()) / present.std()
    for part, numbers in ((data.train, rows.train), (data.test, rows.test)):
        missing = numbers % 5 == 0
        np.testing.assert_array_equal(part.inputs[:, 2], missing)
        np.testing.assert_allclose(part.inputs[missing, 1], median, rtol=1e-5, atol=1e-6)


def test_a_column_empty_in_training_becomes_zeros() -> None:
    rows = split(ROWS, 0, np.arange(ROWS) % 2)
    values: list[float | None] = [None] * ROWS
    values[int(rows.test[0])], values[int(rows.test[1])] = 3.0, 4.0
    data = prepared(table(a=values))
    assert not data.train.inputs[:, data.features.index("a")].any()
    assert not data.test.inputs[:, data.features.index("a")].any()


def test_booleans_and_dates_are_numbers() -> None:
    data = prepared(
        table(
            flag=[i % 3 == 0 for i in range(ROWS)],
            day=pa.array([i * 7 % 50 for i in range(ROWS)], pa.date32()),
            moment=pa.array([i * 7 % 50 for i in range(ROWS)], pa.timestamp("us", tz="UTC")),
            time=pa.array([i * 7 % 50 for i in range(ROWS)], pa.time32("ms")),
        )
    )
    assert data.features == ("x", "flag", "day", "moment", "time")
    assert len(np.unique(data.train.inputs[:, 1])) == 2
    np.testing.assert_allclose(data.train.inputs[:, 2], data.train.inputs[:, 3], rtol=1e-5)
    np.testing.assert_allclose(data.train.inputs[:, 2], data.train.inputs[:, 4], rtol=1e-5)


def test_categories_are_one_hot_and_missing_is_one_of_them() -> None:
    data = prepared(table(c=[["a", "b", None][i % 3] for i in range(ROWS)]))
    assert data.features == ("x", "c=a", "c=b", "c=(missing)")
    rows = split(ROWS, 0, np.arange(ROWS) % 2)
    np.testing.assert_array_equal(data.test.inputs[:, 1:], np.eye(3)[rows.test % 3])


def test_rare_and_unseen_categories_share_a_column() -> None:
    many = pa.table({"c": [f"c{i % 80}" for i in range(400)], "y": [0, 1] * 200})
    encoded = prepared(many)
    assert len(encoded.features) == 50
    assert encoded.features[-1] == "c=infrequent_sklearn"
    np.testing.assert_array_equal(encoded.test.inputs.sum(axis=1), 1.0)


def test_an_unseen_category_without_rare_ones_is_all_zeros() -> None:
    rows = split(ROWS, 0, np.arange(ROWS) % 2)
    values = ["a", "b"] * (ROWS // 2)
    values[int(rows.test[0])] = "unseen"
    data = prepared(table(c=values))
    assert data.features == ("x", "c=a", "c=b")
    assert not data.test.inputs[0, 1:].any()


def test_columns_left_out_and_rows_without_target_are_named() -> None:
    source = pa.table(
        {
            "id": range(ROWS),
            "same": ["s"] * ROWS,
            "none": pa.nulls(ROWS),
            "x": [i * 0.5 for i in range(ROWS)],
            "y": [None, None, *([0, 1] * (ROWS // 2 - 1))],
        }
    )
    data = prepared(source)
    assert data.features == ("x",)
    assert data.warnings == (
        "left out, because it has no values: 'none'",
        "left out, because it has the same value in every row: 'same'",
        "left out, because it identifies rows (nearly every value is distinct, or it counts the "
        "rows): 'id'",
        "rows left out, because 'y' has no value: 2",
    )


def test_rare_classes_are_named() -> None:
    source = pa.table({"x": [i * 0.5 for i in range(ROWS)], "y": ["a"] * 97 + ["b", "b", "c"]})
    kept, lost = prepared(source, seed=0), prepared(source, seed=5)
    assert kept.classes == lost.classes == ("a", "b", "c")
    rare = (
        "class 'b' is too rare to be in training, validation and test; rows: 2",
        "class 'c' is too rare to be in training, validation and test; rows: 1",
    )
    assert kept.warnings == rare
    assert lost.warnings == (*rare, "no training row has the class 'c': it cannot be learned")


def test_repeated_rows_are_counted() -> None:
    half = [i * 0.5 for i in range(ROWS // 2)]
    data = prepared(pa.table({"x": half * 2, "y": [i * 7 % 3 == 0 for i in range(ROWS)]}))
    assert data.warnings == (
        "26 of 36 held-out rows have the same features as a training row; "
        "if the file repeats rows, scores will look better than they are",
    )


@pytest.mark.parametrize("target", [True, False])
def test_values_beyond_single_precision_are_refused(target: bool) -> None:
    classes = [0, 1] * (ROWS // 2)
    rows = split(ROWS, 0, None if target else np.array(classes))
    values = [1e-9 * (i % 5) for i in range(ROWS)]
    values[int(rows.test[0])] = 1e37
    small = [float(i % 7) for i in range(ROWS)]
    source = pa.table({"a": small, "b": values} if target else {"b": values, "y": classes})
    with pytest.raises(DataError) as caught:
        prepared(source)
    assert str(caught.value) == (
        "column 'b' holds values too far from the others to be standardised in single precision. "
        "Remove those rows or the column."
    )
    assert (caught.value.field, caught.value.value) == ("file", "b")
    assert caught.value.allowed == "values within single precision once standardised"


def test_an_open_spec_is_refused() -> None:
    with pytest.raises(ValueError, match="prepare needs a resolved spec; got one without target"):
        prepare(table(), describe(table()), StudySpec())


def test_the_seed_alone_decides_the_split() -> None:
    first, again, other = (prepared(table(), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train.inputs, again.train.inputs)
    assert not np.array_equal(first.train.inputs, other.train.inputs)


@settings(deadline=None)
@given(rows=st.integers(20, 2000), seed=st.integers(0, 2**32 - 1), classes=st.integers(1, 30))
def test_a_split_covers_every_row_once(rows: int, seed: int, classes: int) -> None:
    labels = np.arange(rows) % classes
    parts = split(rows, seed, labels)
    together = np.concatenate([parts.train, parts.validation, parts.test])
    np.testing.assert_array_equal(np.sort(together), np.arange(rows))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == sizes(rows)
    assert len(parts.train) == pytest.approx(0.64 * rows, abs=2)
    if classes <= len(parts.validation) and np.bincount(labels).min() >= 3:
        for part in (parts.train, parts.validation, parts.test):
            shares = np.bincount(labels[part], minlength=classes)
            np.testing.assert_allclose(shares, len(part) / classes, atol=2)


cells = st.tuples(
    st.none() | st.floats(-1e6, 1e6), st.none() | st.sampled_from(["a", "b", "unseen", "other"])
)


@settings(deadline=None, max_examples=30)
@given(
    held_out=st.lists(cells, min_size=ROWS, max_size=ROWS),
    task=st.sampled_from(["classification", "regression"]),
    seed=st.integers(0, 3),
)
def test_held_out_rows_never_change_training(
    held_out: list[tuple[float | None, str | None]], task: str, seed: int
) -> None:
    numbers: list[float | None] = [None if i % 9 == 0 else i * 0.25 for i in range(ROWS)]
    texts: list[str | None] = [["a", "b", None][i % 3] for i in range(ROWS)]
    classes = np.arange(ROWS) % 2
    targets = classes.astype(float)
    before = pa.table({"n": numbers, "c": texts, "y": targets})
    schema = describe(before)
    spec = resolve(StudySpec.model_validate({"task": task, "seed": seed}), schema).spec
    parts = split(ROWS, seed, classes if task == "classification" else None)
    for row in (*parts.validation, *parts.test):
        numbers[row], texts[row] = held_out[row]
        if task == "regression":  # a class decides where its row goes, a number does not
            targets[row] = float(row)
    after = pa.table({"n": pa.array(numbers, pa.float64()), "c": texts, "y": targets})
    one, other = prepare(before, schema, spec), prepare(after, schema, spec)
    assert one.features == other.features
    assert (one.target_mean, one.target_scale) == (other.target_mean, other.target_scale)
    np.testing.assert_array_equal(one.train.inputs, other.train.inputs)
    np.testing.assert_array_equal(one.train.targets, other.train.targets)
