"""What the charts of a job have in common that are drawn again while it runs."""

import heapq
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from service.report_page.charts import SHOWN_SCORES, Scores, axis, lay_out, show
from service.schemas import JobView

IN_A_ROW = 8  # optimizers of a legend above the chart; more stand beside it
GOLDEN = 0.6180339887498949

Trace = dict[str, Any]


class Chart(NamedTuple):
    """A figure for plotly's script, and what is to be said of it."""

    figure: dict[str, Any]
    caption: str


def figure(
    job: JobView,
    optimizers: Sequence[str],
    traces: Iterable[Trace],
    scores: Scores | None,
    *,
    x: str,
    has_room: bool = False,
) -> dict[str, Any]:
    """A figure of values of the job's metric.

    Args:
        job: that it is of.
        optimizers: that its legend names.
        traces: those without a point are left out.
        scores: its axis of values; None as long as there are none.
        x: title of the other axis.
        has_room: for a legend beside it, where one above it would be too high.
    """
    # Traces are plain: plotly's own objects take longer to check than the database to read.
    laid_out = go.Figure()
    measured = "validation " if job.mode == "managed" else ""
    lay_out(laid_out, x=x, y=f"{measured}{job.metric}")
    if scores is not None:
        show(laid_out, scores)
    if len(optimizers) > IN_A_ROW:
        beside = {"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top"}
        laid_out.update_layout(legend=beside, showlegend=has_room)
    return {
        "data": [{"type": "scatter"} | trace for trace in traces if trace["x"]],
        "layout": laid_out.layout.to_plotly_json(),
    }


def scores_axis(job: JobView, values: Sequence[float]) -> Scores | None:
    """The axis for the better part of some values; None without any."""
    return axis(job.direction, values, SHOWN_SCORES) if values else None


def spread(numbers: Iterable[int], count: int) -> set[int]:
    """So many of them, evenly from first to last; when more come, nearly the same ones."""
    # Multiples of the golden ratio, modulo 1, are spread evenly however many one takes.
    return set(heapq.nsmallest(count, numbers, key=lambda number: number * GOLDEN % 1.0))


def short(value: float) -> float:
    """Five digits: more cannot be seen, and are half of what is sent."""
    return float(f"{value:.5g}")
