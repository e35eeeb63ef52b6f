"""Which rows train, which choose between trials, and which are kept for the verdict."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, train_test_split

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


def split_by_group(groups: NDArray[np.int64], seed: int) -> Split:
    """Cut rows into three parts so that no group is in two of them, by the seed alone.

    The shares are of the groups; what they come to in rows depends on the size of each.

    Args:
        groups: the group of each row, three at least: (rows,).
        seed: of the permutation of the groups.
    """
    rest, tested = _grouped_halves(np.arange(len(groups), dtype=np.int64), groups, seed)
    trained, validated = _grouped_halves(rest, groups, seed)
    return Split(train=trained, validation=validated, test=tested)


def split_by_time(times: NDArray[np.float64]) -> Split:
    """Cut rows into three parts: the oldest train, the newest test; of equals, the first is older.

    Args:
        times: of each row, none missing: (rows,).
    """
    trained, validated, _ = sizes(len(times))
    order = np.argsort(times, kind="stable")
    parts = np.split(order, [trained, trained + validated])
    return Split(*(np.sort(part) for part in parts))


def _grouped_halves(rows: Rows, groups: NDArray[np.int64], seed: int) -> tuple[Rows, Rows]:
    splitter = GroupShuffleSplit(1, test_size=HELD_OUT, random_state=seed)
    kept, held = next(splitter.split(rows, groups=groups[rows]))
    return np.sort(rows[kept]), np.sort(rows[held])


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
