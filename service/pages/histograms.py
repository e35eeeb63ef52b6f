"""How the numbers of a column are spread."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 24


@dataclass(frozen=True)
class Histogram:
    """Numbers counted in intervals of the same width.

    Attributes:
        low: the least of them.
        high: the greatest.
        counts: by interval, from low to high.
    """

    low: float
    high: float
    counts: tuple[int, ...]

    @property
    def shares(self) -> list[float]:
        """Each count as a share of the largest."""
        return [count / max(self.counts) for count in self.counts]


def histogram(values: NDArray[np.float64]) -> Histogram | None:
    """Count numbers, gaps left out; None where there are none.

    Args:
        values: (rows,).
    """
    present = values[np.isfinite(values)]
    if not len(present):
        return None
    counts, _ = np.histogram(present, BINS)
    return Histogram(float(present.min()), float(present.max()), tuple(map(int, counts)))
