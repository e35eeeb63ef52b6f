"""Every optimizer against every other: rows beat columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from studies.verdict import Pair, Verdict


class Cell(NamedTuple):
    """What one optimizer is to another.

    Attributes:
        outcome: of the row against the column.
        difference: score of the row minus score of the column.
        interval: for it, adjusted for the number of pairs.
        p_value: that there is no difference, adjusted likewise.
        sentence: the same in words.
    """

    outcome: Literal["wins", "loses", "tie", "open"]
    difference: float
    interval: tuple[float, float]
    p_value: float
    sentence: str


@dataclass(frozen=True)
class Matrix:
    """All of them.

    Attributes:
        names: of the rows, and of the columns.
        rows: a cell a column; None on the diagonal.
    """

    names: list[str]
    rows: list[list[Cell | None]]


def matrix(verdict: Verdict, ranked: Sequence[str]) -> Matrix | None:
    """The pairs of a verdict as a table; None if it has none.

    Args:
        verdict: what was found.
        ranked: optimizers, in the order that rows and columns shall have.
    """
    found: dict[tuple[str, str], Cell] = {}
    for pair in verdict.pairs:
        low, high = pair.interval
        there, back = _outcomes(pair)
        found[pair.first, pair.second] = Cell(
            there, pair.difference, (low, high), pair.p_value, pair.sentence
        )
        found[pair.second, pair.first] = Cell(
            back, 0.0 - pair.difference, (0.0 - high, 0.0 - low), pair.p_value, pair.sentence
        )
    if not found:
        return None
    compared = {name for pair in found for name in pair}
    names = [name for name in ranked if name in compared]
    return Matrix(names, [[found.get((row, column)) for column in names] for row in names])


def _outcomes(
    pair: Pair,
) -> tuple[Literal["wins", "loses", "tie", "open"], Literal["wins", "loses", "tie", "open"]]:
    """Of the first against the second, and the other way round."""
    if pair.outcome != "beats":
        return pair.outcome, pair.outcome
    return ("wins", "loses") if pair.winner == pair.first else ("loses", "wins")
