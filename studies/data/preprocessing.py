"""How a table's values become a network's inputs, in numbers that any program can apply.

For each row: the numeric columns in their order, then an indicator for each of them that had gaps
among the training rows, then the categorical columns, an input for each of their categories.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from sklearn.compose import ColumnTransformer

from studies.data.columns import LARGEST, MISSING
from studies.data.features import features
from studies.data.schema import Column, TableSchema
from studies.spec import StudySpec


class _Finite(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class NumericColumn(_Finite):
    """A column that becomes one number, and perhaps an indicator."""

    name: str
    kind: Literal["numeric", "boolean", "date"] = Field(
        description="false and true become 0 and 1, dates seconds since 1970 (UTC), times of day "
        "seconds since midnight."
    )
    mean: float | None = Field(
        description="The input is (value - mean) / scale. Null: no training row had a value, and "
        "whatever a row holds counts as missing."
    )
    scale: float | None
    missing: float = Field(description="The input where the value is missing.")
    indicator: bool = Field(description="Whether another input is 1 where it is missing, else 0.")


class CategoricalColumn(_Finite):
    """A column that becomes one input for each category: 1 for the row's own, else 0."""

    name: str
    categories: list[str | None] = Field(description="In the order of their inputs; null: missing.")
    others: bool = Field(
        description="Whether one more input stands for all values that are not listed. Else such a "
        "value has 0 in every input."
    )


class TargetColumn(_Finite):
    """What the network predicts."""

    name: str
    classes: list[str] = Field(
        description="In the order of the outputs; empty if a number is predicted."
    )
    mean: float = Field(description="A predicted number is output * scale + mean.")
    scale: float


class Preprocessing(_Finite):
    """All of it, as of the training rows."""

    target: TargetColumn
    numeric: list[NumericColumn]
    categorical: list[CategoricalColumn]
    inputs: list[str] = Field(description="Names of the network's inputs, in order.")
    missing: list[str] = Field(
        default=list(MISSING), description="How text says that a value is missing."
    )
    largest: float = Field(
        default=LARGEST, description="Numbers beyond it, on either side of 0, count as missing."
    )


def describable(schema: TableSchema, spec: StudySpec) -> bool:
    """Whether `Preprocessing` can say what becomes of every column: not of texts, images and codes."""
    kinds = {column.kind for column in features(schema, spec)}
    return not kinds & {"text", "image"} and "categorical" not in spec.columns.values()


def describe_encoder(
    encoder: ColumnTransformer,
    columns: Sequence[Column],
    target: TargetColumn,
    inputs: Sequence[str],
) -> Preprocessing:
    """What a fitted encoder does to a row.

    Args:
        encoder: as `studies.data.prepare` makes it, fitted.
        columns: its columns.
        target: what the network predicts.
        inputs: names of what comes out of the encoder.
    """
    kinds = {column.name: column.kind for column in columns}
    parts = {name: list(part) for name, _, part in encoder.transformers_}
    numeric, categorical = [], []
    if parts.get("numeric"):
        scaler, imputer = encoder.named_transformers_["numeric"]
        gaps = set(imputer.indicator_.features_.tolist())
        for place, name in enumerate(parts["numeric"]):
            known = bool(np.isfinite(scaler.mean_[place]))
            numeric.append(
                NumericColumn.model_validate(
                    {
                        "name": name,
                        "kind": kinds[name],
                        "mean": scaler.mean_[place] if known else None,
                        "scale": scaler.scale_[place] if known else None,
                        "missing": imputer.statistics_[place],
                        "indicator": place in gaps,
                    }
                )
            )
    if parts.get("categorical"):
        one_hot = encoder.named_transformers_["categorical"]
        for name, every, rare in zip(
            parts["categorical"],
            one_hot.categories_,
            one_hot.infrequent_categories_,
            strict=True,
        ):
            left = set() if rare is None else set(rare.tolist())
            categorical.append(
                CategoricalColumn(
                    name=name,
                    categories=[each for each in every.tolist() if each not in left],
                    others=rare is not None,
                )
            )
    return Preprocessing(
        target=target, numeric=numeric, categorical=categorical, inputs=list(inputs)
    )
