"""Axes that show scores: which part of them, and on which scale."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from service.charts.frame import logarithmic

SHOWN = 0.9  # share of trials' scores that a chart begins with: bad trials are far away
SPAN = 3.0  # a loss that grows by more is shown on a logarithmic scale


class Scores(NamedTuple):
    """How an axis shows scores.

    Attributes:
        low, high: its ends.
        worst: the score that it begins or ends with.
        log: whether its scale is logarithmic.
    """

    low: float
    high: float
    worst: float
    log: bool

    def axis(self, title: str) -> dict[str, Any]:
        """The same as plotly takes it."""
        named = {"title": {"text": title}}
        if not self.log:
            return named | {"range": [self.low, self.high]}
        return named | logarithmic(self.low, self.high)

    def ticks(self) -> list[float]:
        """A few round scores between its ends."""
        if self.log:
            found: list[float] = logarithmic(self.low, self.high)["tickvals"]
            return found
        decade = 10.0 ** math.floor(math.log10((self.high - self.low) / 2))
        step = next(s for s in (5 * decade, 2 * decade, decade) if self.high - self.low >= 2 * s)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [each * step for each in range(first, last + 1)]


def scale(scores: Iterable[float], *, maximize: bool, share: float = 1.0) -> Scores:
    """The axis for a share of the scores, the best ones.

    Args:
        scores: those that are not finite are not shown.
        maximize: whether more is better.
        share: of them that must be seen.
    """
    ordered = sorted(filter(math.isfinite, scores), reverse=maximize) or [0.0]
    best, worst = ordered[0], ordered[math.ceil(share * len(ordered)) - 1]
    low, high = min(best, worst), max(best, worst)
    if not maximize and low > 0 and high / low > SPAN:
        room = (high / low) ** 0.05
        return Scores(low / room, high * room, worst, log=True)
    room = 0.05 * (high - low or abs(high) or 1.0)
    return Scores(low - room, high + room, worst, log=False)
