"""scikit-learn's bundled tables as the CSV files a user would upload."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine


def digits(path: Path, *, imperfect: bool = False) -> Path:
    """1797 images of 64 pixels; target 0 to 9."""
    return _write(load_digits(as_frame=True).frame, path, imperfect)


def breast_cancer(path: Path, *, imperfect: bool = False) -> Path:
    """569 rows, 30 measurements; the diagnosis is text."""
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.frame.rename(columns={"target": "diagnosis"})
    frame["diagnosis"] = frame["diagnosis"].map(dict(enumerate(bunch.target_names)))
    return _write(frame, path, imperfect)


def wine(path: Path, *, imperfect: bool = False) -> Path:
    """178 rows, 13 measurements; target 0 to 2."""
    return _write(load_wine(as_frame=True).frame, path, imperfect)


def diabetes(path: Path, *, imperfect: bool = False) -> Path:
    """442 rows, 10 measurements; the progression is a whole number from 25 to 346."""
    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame = frame.rename(columns={"target": "progression"}).astype({"progression": int})
    return _write(frame, path, imperfect)


DATASETS: dict[str, Callable[..., Path]] = {
    "digits": digits,
    "breast_cancer": breast_cancer,
    "wine": wine,
    "diabetes": diabetes,
}


def _write(frame: pd.DataFrame, path: Path, imperfect: bool) -> Path:
    """Write a frame whose last column is the target.

    Imperfect: the first value of the table and the last target are missing, and there are
    two more columns, `region` (text) and `remark` (text with commas and quotes).
    """
    if imperfect:
        frame = frame.convert_dtypes()
        frame.iloc[0, 0] = pd.NA
        frame.iloc[-1, -1] = pd.NA
        regions = ["north", "south", "east"]
        frame.insert(0, "region", [regions[row % 3] for row in range(len(frame))])
        remarks = ["calm, dry", 'said "fine", then left']
        frame.insert(1, "remark", [remarks[row % 2] for row in range(len(frame))])
    frame.to_csv(path, index=False)
    return path
