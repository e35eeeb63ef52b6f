"""Which rows train, which choose between trials, and which are kept for the verdict."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

HELD_OUT = 0.2  # of all rows for the test, then of the rest for validation: 64 / 16 / 20 %
STRATIFIABLE = 3  # rows a class needs to be in all three parts

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Row numbers of the three parts, each in the order of the table."""

    train: Rows
    validation: Rows
    test: Rows


def sizes(rows: int) -> tuple[int, int, int]:
    """How many of `rows` rows train, validate and test."""
    test = ceil(HELD_OUT * rows)
    validation = ceil(HELD_OUT * (rows - test))
    return rows - test - validation, validation, test


def split(rows: int, seed: int, classes: NDArray[np.int64] | None = None) -> Split:
    """Cut rows into three parts, by the seed alone.

    Args:
        rows: how many there are.
        seed: of the permutation.
        classes: the class of each row (rows,), to give each part its share of each class.
    """
    _, validation, test = sizes(rows)
    strata = None if classes is None else _strata(classes, smallest_part=min(validation, test))
    rest, tested = _halves(np.arange(rows, dtype=np.int64), test, seed, strata)
    rest_strata = None if strata is None else strata[rest]
    trained, validated = _halves(rest, validation, seed, rest_strata)
    return Split(train=trained, validation=validated, test=tested)


def _halves(
    rows: Rows, held_out: int, seed: int, strata: NDArray[np.int64] | None
) -> tuple[Rows, Rows]:
    kept, held = train_test_split(rows, test_size=held_out, random_state=seed, stratify=strata)
    return np.sort(kept), np.sort(held)


def _strata(classes: NDArray[np.int64], smallest_part: int) -> NDArray[np.int64] | None:
    """The classes with the rare ones counted to the largest, or None if there are too many."""
    counts = np.bincount(classes)
    strata = np.where(counts[classes] < STRATIFIABLE, counts.argmax(), classes)
    return strata if len(np.unique(strata)) <= smallest_part else None
