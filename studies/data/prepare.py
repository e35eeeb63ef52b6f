"""From a table to the arrays that trials train on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from studies.data.columns import categories, labels, numbers, present
from studies.data.features import candidates
from studies.data.images import pixels, standardised
from studies.data.leaks import leaks
from studies.data.preprocessing import (
    Preprocessing,
    TargetColumn,
    describable,
    describe_encoder,
)
from studies.data.schema import Column, TableSchema, explain_dropped, explain_left_out
from studies.data.split import STRATIFIABLE, Split, split, split_by_group, split_by_time
from studies.data.texts import TERMS, tokens
from studies.data.weights import class_weights
from studies.errors import DataError
from studies.spec import StudySpec

CATEGORIES = 50  # one-hot columns for one categorical column; rarer categories share the last
TEXT = "text "  # begins the name of a part that encodes a column of texts
NUMERIC = {"numeric", "boolean", "date"}


@dataclass(frozen=True)
class Examples:
    """Rows ready for training.

    Attributes:
        inputs: standardised and one-hot features, float32: (rows, features); of a "cnn" images,
            (rows, channels, height, width); of texts alone int64 numbers of words, (rows, length).
        targets: int64 class numbers, or float32 standardised values: (rows,).
    """

    inputs: NDArray[np.float32] | NDArray[np.int64]
    targets: NDArray[np.int64] | NDArray[np.float32]


@dataclass(frozen=True)
class Data:
    """A table cut in three and encoded, with what is needed to read the results.

    Attributes:
        train: fits weights.
        validation: scores trials.
        test: scores the finalists; no trial sees it.
        classes: class names by number; empty for regression.
        target_mean: of the training targets; 0 for classification.
        target_scale: their standard deviation; 1 for classification.
        features: names of the columns of `inputs`.
        warnings: what the user should know about the data, in sentences.
        preprocessing: how further rows are encoded alike; None unless `describable`.
        class_weights: what a training row of each class counts; None if all count the same.
    """

    train: Examples
    validation: Examples
    test: Examples
    classes: tuple[str, ...]
    target_mean: float
    target_scale: float
    features: tuple[str, ...]
    warnings: tuple[str, ...]
    preprocessing: Preprocessing | None
    class_weights: tuple[float, ...] | None = None


def prepare(table: pa.Table, schema: TableSchema, spec: StudySpec) -> Data:
    """Encode a table for a study; every statistic comes from the training rows alone.

    Args:
        table: what `schema` describes.
        schema: of the whole table; it decides which columns are features.
        spec: resolved, so it names the target and the task.

    Raises:
        DataError: a standardised value does not fit into float32.
        SpecError: a weight is given to what is no class.
    """
    if spec.target is None or spec.task is None:
        raise ValueError("prepare needs a resolved spec; got one without target or task")
    usable = present(table[spec.target])
    if not usable.all():
        table = table.filter(pa.array(usable))
    others = candidates(schema, spec)
    features = [column for column in others if column.left_out is None]
    frame = _frame(table, features)
    image = next((column for column in features if column.shape), None)

    warnings = explain_left_out(others)
    if dropped := int((~usable).sum()):
        warnings.append(explain_dropped(spec.target, dropped))
    classes: tuple[str, ...] = ()
    weights: tuple[float, ...] | None = None
    mean, scale = 0.0, 1.0
    targets: NDArray[np.int64] | NDArray[np.float32]
    if spec.task == "classification":
        classes, targets = labels(table[spec.target])
        parts = _parts(table, spec, targets)
        warnings += _rare_classes(classes, targets, parts)
        weights = class_weights(spec.class_weight, classes, targets[parts.train])
    else:
        values = numbers(table[spec.target])
        parts = _parts(table, spec, None)
        mean, scale = _mean_and_scale(values[parts.train])
        targets = _single_precision(((values - mean) / scale)[:, None], (spec.target,))[:, 0]
    warnings += leaks(frame, spec.target, targets, parts)

    inputs: NDArray[np.float32] | NDArray[np.int64]
    preprocessing: Preprocessing | None = None
    if image is not None and image.shape is not None:
        names: tuple[str, ...] = (image.name,)
        inputs = standardised(pixels(table[image.name], image.shape), parts.train)
        if spec.model.kind != "cnn":
            inputs = inputs.reshape(len(inputs), -1)
    elif spec.model.kind in {"text", "transformer"}:
        names = (features[0].name,)
        inputs = tokens(frame[features[0].name].tolist(), parts.train)
    else:
        with np.errstate(invalid="ignore"):  # the mean of a column that is empty in training
            encoder = _fitted(_encoder(features), frame.iloc[parts.train])
        names = _names(encoder)
        inputs = _single_precision(encoder.transform(frame), names)
        if describable(schema, spec):
            predicted = TargetColumn(
                name=spec.target, classes=list(classes), mean=mean, scale=scale
            )
            preprocessing = describe_encoder(encoder, features, predicted, names)
    train, validation, test = (
        Examples(inputs=inputs[rows], targets=targets[rows])
        for rows in (parts.train, parts.validation, parts.test)
    )
    return Data(
        train=train,
        validation=validation,
        test=test,
        classes=classes,
        target_mean=mean,
        target_scale=scale,
        features=names,
        warnings=tuple(warnings),
        preprocessing=preprocessing,
        class_weights=weights,
    )


def _parts(table: pa.Table, spec: StudySpec, classes: NDArray[np.int64] | None) -> Split:
    """The rows of each part, as the spec asks."""
    if spec.split is not None and spec.split.column is not None:
        column = table[spec.split.column]
        if spec.split.kind == "time":
            return split_by_time(numbers(column))
        groups = (
            labels(column)[1]
            if pa.types.is_string(column.type)
            else np.unique(numbers(column), return_inverse=True)[1]
        )
        return split_by_group(groups, spec.seed)
    stratified = spec.split is None or spec.split.kind == "stratified"
    return split(table.num_rows, spec.seed, classes if stratified else None)


def _frame(table: pa.Table, features: list[Column]) -> pd.DataFrame:
    """The feature columns: numbers as float64 with NaN, categories as objects with None."""
    return pd.DataFrame(
        {
            column.name: numbers(table[column.name])
            if column.kind in NUMERIC
            else pd.Series(table[column.name].to_pylist(), dtype=object)
            if column.kind == "image"
            else pd.Series([text or "" for text in table[column.name].to_pylist()], dtype=object)
            if column.kind == "text"
            else pd.Series(categories(table[column.name]), dtype=object)
            for column in features
        }
    )


def _encoder(features: list[Column]) -> ColumnTransformer:
    numeric = make_pipeline(
        # first, so that indicators stay 0 and 1: a rare one would be scaled to a huge input
        StandardScaler(),
        # a column that is empty in the training rows is kept, as zeros: what its other rows
        # hold must not decide how many features there are
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
    )
    categorical = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=CATEGORIES,
        sparse_output=False,
        dtype=np.float32,
        feature_name_combiner=_category_name,
    )
    return ColumnTransformer(
        [
            ("numeric", numeric, [column.name for column in features if column.kind in NUMERIC]),
            (
                "categorical",
                categorical,
                [column.name for column in features if column.kind == "categorical"],
            ),
            *(
                # a column by its name, not in a list: texts, not rows of one text each
                (f"{TEXT}{column.name}", TfidfVectorizer(max_features=TERMS), column.name)
                for column in features
                if column.kind == "text"
            ),
        ],
        sparse_threshold=0.0,
    )


def _fitted(encoder: ColumnTransformer, frame: pd.DataFrame) -> ColumnTransformer:
    try:
        return encoder.fit(frame)
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        texts = [name for _, _, name in encoder.transformers if isinstance(name, str)]
        raise DataError(
            f"a column of texts has no word in the training rows: {', '.join(texts)}. Have it ignored.",
            field="columns",
            value=texts,
            allowed="texts with words of two letters or more",
        ) from error


def _category_name(column: str, category: str | None) -> str:
    return f"{column}={'(missing)' if category is None else category}"


def _single_precision(values: NDArray[np.float64], names: tuple[str, ...]) -> NDArray[np.float32]:
    """Columns as float32, refusing one that overflows: (rows, columns)."""
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(values, dtype=np.float32)
    finite = np.isfinite(single).all(axis=0)  # (columns,)
    if not finite.all():
        name = names[int(finite.argmin())]
        raise DataError(
            f"column {name!r} holds values too far from the others to be standardised in single "
            "precision. Remove those rows or the column.",
            field="file",
            value=name,
            allowed="values within single precision once standardised",
        )
    return single


def _names(encoder: ColumnTransformer) -> tuple[str, ...]:
    # asked of each part: all together they would need prefixes to be unique
    parts = [
        (name.removeprefix(TEXT) + ":" if name.startswith(TEXT) else "", part)
        for name, part, columns in encoder.transformers_
        if len(columns)
    ]
    return tuple(
        f"{prefix}{name}" for prefix, part in parts for name in part.get_feature_names_out()
    )


def _mean_and_scale(values: NDArray[np.float64]) -> tuple[float, float]:
    # a target that is constant in the training rows has no scale to divide by
    return float(values.mean()), float(values.std()) if np.ptp(values) else 1.0


def _rare_classes(classes: tuple[str, ...], targets: NDArray[np.int64], parts: Split) -> list[str]:
    counts = np.bincount(targets, minlength=len(classes))
    trained = np.bincount(targets[parts.train], minlength=len(classes))
    warnings = [
        f"class {classes[i]!r} is too rare to be in training, validation and test; rows: {counts[i]}"
        for i in np.flatnonzero(counts < STRATIFIABLE)
    ]
    absent = ", ".join(repr(classes[i]) for i in np.flatnonzero(trained == 0))
    if absent:
        warnings.append(f"no training row has the class {absent}: it cannot be learned")
    for name, rows in (("validation", parts.validation), ("test", parts.test)):
        here = np.bincount(targets[rows], minlength=len(classes))
        unseen = np.flatnonzero((here == 0) & (counts >= STRATIFIABLE))
        if len(unseen):
            absent = ", ".join(repr(classes[i]) for i in unseen)
            warnings.append(f"no {name} row has the class {absent}: scores say nothing of it")
    return warnings
