from typing import Any

import numpy as np
import pandas as pd
import pytest

from studies.data.leaks import leaks
from studies.data.split import split

ROWS = 90
CLASSES = np.arange(ROWS) % 3
NUMBERS = np.random.default_rng(0).normal(size=ROWS).astype(np.float32)


def found(values: Any, **columns: Any) -> list[str]:
    frame = pd.DataFrame({"row": np.arange(ROWS) * 1.5} | columns)
    return leaks(frame, "y", values, split(ROWS, 0))


@pytest.mark.parametrize(
    "column",
    [
        CLASSES,
        CLASSES * -2.5,
        [["a", "b", "c"][k] for k in CLASSES],
        [["a", "b", None][k] for k in CLASSES],
        [f"{['a', 'b', 'c'][k]}{i % 2}" for i, k in enumerate(CLASSES)],
    ],
)
def test_a_column_that_names_the_class_is_reported(column: Any) -> None:
    (warning,) = found(CLASSES, copy=column)
    assert warning.startswith("column 'copy' tells 'y' by itself")


@pytest.mark.parametrize("change", [lambda y: y, lambda y: -3 * y + 1, np.exp])
def test_a_column_that_is_the_number_on_another_scale_is_reported(change: Any) -> None:
    (warning,) = found(NUMBERS, copy=change(NUMBERS.astype(np.float64)))
    assert warning.startswith("column 'copy' tells 'y' by itself")


def test_columns_that_only_help_are_not() -> None:
    almost = CLASSES.copy()
    almost[7] = 0
    names = [f"id{i}" for i in range(ROWS)]  # tells a class of each row, as any identifier does
    assert found(CLASSES, almost=almost, names=names, constant=np.ones(ROWS)) == []
    noisy = NUMBERS + np.where(np.arange(ROWS) == 5, 3.0, 0.0)
    gaps = np.where(np.arange(ROWS) % 10 == 0, np.nan, NUMBERS)
    assert found(NUMBERS, noisy=noisy, gaps=gaps, text=["a", "b", "c"] * 30) == []


def test_rows_in_two_parts_are_counted() -> None:
    frame = pd.DataFrame({"x": np.repeat(np.arange(ROWS / 2), 2)})
    (warning,) = leaks(frame, "y", NUMBERS, split(ROWS, 0))
    assert "of 33 held-out rows have the same features as a training row" in warning
