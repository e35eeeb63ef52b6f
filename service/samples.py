"""Tables that scikit-learn brings along, as the CSV files that a user would upload."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine


@dataclass(frozen=True)
class Sample:
    """A table to begin with.

    Attributes:
        name: of the dataset that is made of it.
        title: what it is about.
        rows: that it has.
        target: the column to predict, the last one.
        predicts: what that is, from what.
    """

    name: str
    title: str
    rows: int
    target: str
    predicts: str


SAMPLES: dict[str, Sample] = {
    each.name: each
    for each in (
        Sample(
            "digits",
            "Handwritten digits",
            1797,
            "label",
            "Which digit was written, from 8 x 8 pixels.",
        ),
        Sample(
            "breast_cancer",
            "Breast cancer",
            569,
            "diagnosis",
            "Whether a tumour is malignant, from 30 measurements of its cells.",
        ),
        Sample(
            "wine",
            "Wine",
            178,
            "cultivar",
            "Which of three cultivars a wine is from, by 13 measurements.",
        ),
        Sample(
            "diabetes",
            "Diabetes",
            442,
            "progression",
            "How far the disease goes in a year, as a number, from 10 measurements.",
        ),
    )
}


@cache
def as_csv(name: str) -> bytes:
    """A sample as a file with a header; the target is its last column."""
    frame = _FRAMES[name]().rename(columns={"target": SAMPLES[name].target})
    return frame.to_csv(index=False).encode()


def _digits() -> pd.DataFrame:
    frame: pd.DataFrame = load_digits(as_frame=True).frame
    return frame.astype(int)


def _breast_cancer() -> pd.DataFrame:
    bunch = load_breast_cancer(as_frame=True)
    named = bunch.frame["target"].map(dict(enumerate(bunch.target_names)))
    frame: pd.DataFrame = bunch.frame.assign(target=named)
    return frame


def _wine() -> pd.DataFrame:
    frame: pd.DataFrame = load_wine(as_frame=True).frame
    return frame


def _diabetes() -> pd.DataFrame:
    frame: pd.DataFrame = load_diabetes(as_frame=True, scaled=False).frame
    return frame.astype({"target": int})


_FRAMES: dict[str, Callable[[], pd.DataFrame]] = {
    "digits": _digits,
    "breast_cancer": _breast_cancer,
    "wine": _wine,
    "diabetes": _diabetes,
}
