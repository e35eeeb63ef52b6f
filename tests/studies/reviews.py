"""Reviews with a word that tells the verdict."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.studies.scripts import write

ROWS = 160
GOOD, BAD = ("fine", "lovely", "bright"), ("dull", "broken", "Slow")


def reviews(rows: int = ROWS) -> list[str]:
    """Each has a word that tells, and a number that does not."""
    told = [(GOOD if i % 2 else BAD)[i % 3] for i in range(rows)]
    return [f"The {word} thing, no. {i * 7 % 90}" + " é" * (i % 5) for i, word in enumerate(told)]


def table(**columns: Any) -> pa.Table:
    verdicts = ["good" if i % 2 else "bad" for i in range(ROWS)]
    return pa.table({"review": reviews(), **columns, "verdict": verdicts})


def file(tmp_path: Path, *, beside: bool, gaps: bool = False) -> Path:
    """A CSV file of reviews, with a number and a category beside them or not."""
    rows = []
    for i, review in enumerate(reviews()):
        numbers = [i % 7 / 2, "xyz"[i % 3]] if beside else []
        verdict = "" if gaps and i % 11 == 0 else "good" if i % 2 else "bad"
        rows.append(["" if gaps and i % 13 == 0 else review, *numbers, verdict])
    header = ["review", *(["size", "kind"] if beside else []), "verdict"]
    return write(tmp_path / "data.csv", header, rows)
