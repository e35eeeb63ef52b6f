"""Scores by learning rate, of one optimizer: where rates are too small, good and too large."""

import math
from collections.abc import Sequence
from typing import Any

from service.charts.frame import NEUTRAL, Figure, axis, faint, frame, logarithmic, short
from service.charts.scores import SHOWN, Scores, scale
from service.colours import colour
from studies.sensitivity import Point, Sensitivity

COLD, GOOD, HOT = "#3b82f6", "#2e9e5b", "#e05263"


def learning_rates(
    optimizer: str,
    said: Sensitivity,
    scores: Scores,
    *,
    metric: str,
    best: int | None,
    optimizers: Sequence[str],
) -> Figure | None:
    """The chart; None where no rate was searched.

    Args:
        optimizer: whose it is.
        said: about its learning rate.
        scores: the axis, the same for all optimizers of the job.
        metric: that trials are judged by.
        best: number of its best trial, which gets a ring.
        optimizers: of the job.
    """
    if not said.points:
        return None
    ink = colour(optimizer, optimizers)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": short(point.learning_rate for point in said.points),
        "y": short(scores.worst if p.score is None else p.score for p in said.points),
        "marker": {
            "color": ink,
            "size": [14 if point.number == best else 8 for point in said.points],
            "symbol": [_symbol(point, best) for point in said.points],
            "line": {"width": 1, "color": ink},
        },
        "text": [f"trial {point.number}, {point.outcome}" for point in said.points],
        "hovertemplate": "%{text}<br>rate %{x:.3g}<br>%{y:.5g}<extra></extra>",
    }
    ends = _ends(said)
    shapes, notes = _zones(said, ends)
    return frame(
        [trace],
        x=axis("learning rate (peak of the schedule)", **logarithmic(*ends)),
        y=scores.axis(f"validation {metric}"),
        height=320,
        showlegend=False,
        margin={"l": 56, "r": 12, "t": 44, "b": 48},
        shapes=shapes,
        annotations=notes,
    )


def score_axis(sensitivity: dict[str, Sensitivity], *, maximize: bool) -> Scores | None:
    """One axis for all optimizers of a job, so that their charts compare; None without a score."""
    points = (point for said in sensitivity.values() for point in said.points)
    scores = [point.score for point in points if point.score is not None]
    return scale(scores, maximize=maximize, share=SHOWN) if scores else None


def _symbol(point: Point, best: int | None) -> str:
    if point.number == best:
        return "star"
    return {"diverged": "x", "completed": "circle"}.get(point.outcome, "circle-open")


def _ends(said: Sensitivity) -> tuple[float, float]:
    """A little more than all that is to be seen, and half a decade at least."""
    rates = [point.learning_rate for point in said.points]
    low, high = min(rates), max(rates)
    room = max((high / low) ** 0.04, 1.6 if high / low < 3 else 1.0)
    return low / room, high * room


def _zones(
    said: Sensitivity, ends: tuple[float, float]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Bands over the whole height, and what they are called above them."""
    small, large = said.zones.too_small_below, said.zones.too_large_above
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    if small is not None and small > ends[0]:
        shapes.append(_band(ends[0], small, COLD, 0.10))
        notes.append(_above("too small", small, "right"))
    if large is not None and large < ends[1]:
        shapes.append(_band(large, ends[1], HOT, 0.10))
        notes.append(_above("too large", large, "left"))
    good = said.within_5_percent
    if good is not None:
        low, high = max(good.low, ends[0]), min(good.high, ends[1])
        shapes.append(_band(low, high, GOOD, 0.16))
        notes.append(_above("good", math.sqrt(low * high), "center", row=1))
    if said.within_1_percent is not None:
        shapes.append(_band(said.within_1_percent.low, said.within_1_percent.high, GOOD, 0.16))
    if said.diverges_above is not None:
        edge = said.diverges_above
        shapes.append(
            {
                "type": "line",
                "x0": edge,
                "x1": edge,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"color": HOT, "width": 2, "dash": "dash"},
            }
        )
        notes.append(
            {
                "text": "half diverge",
                "x": math.log10(edge),
                "yref": "paper",
                "y": 0.02,
                "xanchor": "right",
                "yanchor": "bottom",
                "textangle": -90,
                "showarrow": False,
                "font": {"size": 11},
            }
        )
    return shapes, notes


def _band(low: float, high: float, ink: str, share: float) -> dict[str, Any]:
    return {
        "type": "rect",
        "layer": "below",
        "x0": low,
        "x1": high,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "fillcolor": faint(ink, share),
        "line": {"width": 0.5, "color": NEUTRAL},
    }


def _above(text: str, rate: float, anchor: str, row: int = 0) -> dict[str, Any]:
    return {
        "text": text,
        "x": math.log10(rate),
        "xanchor": anchor,
        "yref": "paper",
        "y": 1,
        "yanchor": "bottom",
        "yshift": 15 * row,
        "showarrow": False,
        "font": {"size": 11},
    }
