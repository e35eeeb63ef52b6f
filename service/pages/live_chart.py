"""What the charts of a job have in common that are drawn again while it runs."""

import heapq
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from service.charts.frame import SHOWN_AT_FIRST, Figure, axis, frame
from service.charts.scores import SHOWN, Scores, scale
from service.schemas import JobView

GOLDEN = 0.6180339887498949

Trace = dict[str, Any]


class Chart(NamedTuple):
    """A figure for plotly's script, and what is to be said of it."""

    figure: Figure
    caption: str


def figure(
    job: JobView,
    optimizers: Sequence[str],
    traces: Iterable[Trace],
    scores: Scores,
    *,
    x: str,
    has_room: bool = False,
) -> Figure:
    """A figure of values of the job's metric.

    Args:
        job: that it is of.
        optimizers: that its legend names.
        traces: those without a point are left out.
        scores: its axis of values.
        x: title of the other axis.
        has_room: for a legend beside it, where one above it would be too high.
    """
    measured = "validation " if job.mode == "managed" else ""
    drawn = [{"type": "scatter"} | trace for trace in traces if trace["x"]]
    made = frame(drawn, x=axis(x), y=scores.axis(f"{measured}{job.metric}"))
    if len(optimizers) > SHOWN_AT_FIRST:
        beside = {"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top"}
        made["layout"] |= {"legend": beside, "showlegend": has_room}
    return made


def scores_axis(job: JobView, values: Iterable[float]) -> Scores:
    """The axis for the better part of some values."""
    return scale(values, maximize=job.direction == "maximize", share=SHOWN)


def spread(numbers: Iterable[int], count: int) -> set[int]:
    """So many of them, evenly from first to last; when more come, nearly the same ones."""
    # Multiples of the golden ratio, modulo 1, are spread evenly however many one takes.
    return set(heapq.nsmallest(count, numbers, key=lambda number: number * GOLDEN % 1.0))


def short(value: float) -> float:
    """Five digits: more cannot be seen, and are half of what is sent."""
    return float(f"{value:.5g}")
