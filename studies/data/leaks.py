"""What makes scores look better than they are: rows in two parts, columns that give it away."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from studies.data.split import Split

REPEATED = 0.01  # share of held-out rows also found in training that is worth a warning
REPEATS = 2  # rows a value needs on average before it can be said to go with one class


def leaks(frame: pd.DataFrame, target: str, values: NDArray[np.generic], parts: Split) -> list[str]:
    """What the user should know about these features, in sentences.

    Args:
        frame: the features: numbers, or categories as objects.
        target: the name of the target column.
        values: class numbers or target values: (rows,).
        parts: of the rows.
    """
    return _repeated(frame, parts) + _copies(frame, target, values)


def _repeated(frame: pd.DataFrame, parts: Split) -> list[str]:
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    held_out = np.concatenate([parts.validation, parts.test])
    repeated = int(np.isin(hashes[held_out], hashes[parts.train]).sum())
    if repeated <= REPEATED * len(held_out):
        return []
    return [
        f"{repeated} of {len(held_out)} held-out rows have the same features as a training row; "
        "if the file repeats rows, scores will look better than they are"
    ]


def _copies(frame: pd.DataFrame, target: str, values: NDArray[np.generic]) -> list[str]:
    classes = np.issubdtype(values.dtype, np.integer)
    gives_away = _names_a_class if classes else _orders_alike
    return [
        f"column {name!r} tells {target!r} by itself; if it is not known before the target is, "
        "leave it out: scores will look better than they are"
        for name in frame.columns
        if gives_away(frame[name], values)
    ]


def _names_a_class(column: "pd.Series[Any]", classes: NDArray[np.generic]) -> bool:
    """Whether each of its values goes with one class alone, and that is no matter of course."""
    codes, distinct = pd.factorize(column, use_na_sentinel=False)
    if len(distinct) < 2 or len(distinct) * REPEATS > len(codes):
        return False
    of_value = np.empty(len(distinct), classes.dtype)
    of_value[codes] = classes  # one of those that it goes with
    return bool((of_value[codes] == classes).all())


def _orders_alike(column: "pd.Series[Any]", values: NDArray[np.generic]) -> bool:
    """Whether rows sorted by it are sorted by the target, one way or the other."""
    if column.dtype == object or column.isna().any() or column.nunique() < 2:
        return False
    rank_correlation = spearmanr(column.to_numpy(), values).statistic
    return bool(abs(rank_correlation) > 1 - 1e-9)
