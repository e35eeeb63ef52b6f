"""The best score to expect of each optimizer after so many of its trials."""

from collections.abc import Sequence
from typing import Any

from service.charts.frame import Figure, axis, faint, frame, short, visible
from service.charts.marks import line
from service.charts.scores import scale
from service.colours import colour
from studies.verdict import BudgetCurve

LOGARITHMIC_FROM = 100  # trials


def budgets(
    curves: Sequence[BudgetCurve], metric: str, optimizers: Sequence[str], *, maximize: bool
) -> Figure | None:
    """The chart, a band about each line; None without curves.

    Args:
        curves: one an optimizer.
        metric: that trials are judged by.
        optimizers: of the job, in the order of the legend.
        maximize: whether more is better.
    """
    drawn = sorted(curves, key=lambda curve: optimizers.index(curve.optimizer))
    if not drawn:
        return None
    traces = [
        trace
        for place, curve in enumerate(drawn)
        for trace in _traces(curve, optimizers, visible(place))
    ]
    most = max(curve.trials[-1] for curve in drawn)
    return frame(
        traces,
        x=axis("trials of the optimizer", type="log" if most > LOGARITHMIC_FROM else "linear"),
        y=scale(
            [score for curve in drawn for score in (*curve.low, *curve.high)], maximize=maximize
        ).axis(f"best validation {metric} to expect"),
    )


def _traces(
    curve: BudgetCurve, optimizers: Sequence[str], shown: bool | str
) -> list[dict[str, Any]]:
    name = curve.optimizer
    shared = {
        "type": "scatter",
        "x": curve.trials,
        "legendgroup": name,
        "name": name,
        "visible": shown,
    }
    edge = shared | {
        "mode": "lines",
        "line": {"width": 0},
        "showlegend": False,
        "hoverinfo": "skip",
    }
    band = {"fill": "tonexty", "fillcolor": faint(colour(name, optimizers), 0.14)}
    return [
        edge | {"y": short(curve.low)},
        edge | band | {"y": short(curve.high)},
        shared
        | {
            "y": short(curve.expected),
            "mode": "lines" if len(curve.trials) > 1 else "markers",
            "line": line(name, optimizers),
            "marker": {"color": colour(name, optimizers)},
            "customdata": list(zip(short(curve.low), short(curve.high), strict=True)),
            "hovertemplate": "after %{x} trials: %{y:.5g}"
            "<br>%{customdata[0]:.5g} to %{customdata[1]:.5g}",
        },
    ]
