"""How several jobs came to their best: what they had after so many trials, and so many seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from service.charts.frame import Figure, axis, frame, short
from service.charts.scores import scale
from service.colours import COLOURS

TITLES = {"trials": "trial", "seconds": "seconds since the first trial began"}


@dataclass(frozen=True)
class Runner:
    """One job.

    Attributes:
        label: what it is called in the chart.
        place: among the jobs, which gives its colour.
        best: (trial, seconds, value) wherever the best changed.
        trials: that it had in all.
        seconds: that passed until its last one had ended.
    """

    label: str
    place: int
    best: Sequence[tuple[int, float, float]]
    trials: int
    seconds: float


def race(
    runners: Sequence[Runner], by: Literal["trials", "seconds"], metric: str, *, maximize: bool
) -> Figure:
    """The chart.

    Args:
        runners: of one metric.
        by: what goes to the right.
        metric: that they are judged by.
        maximize: whether more is better.
    """
    traces = []
    for each in runners:
        x = [number if by == "trials" else seconds for number, seconds, _ in each.best]
        end = each.trials - 1 if by == "trials" else each.seconds
        values = short(value for _, _, value in each.best)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": each.label,
                "x": short([*x, max(x[-1], end)]) if x else [],
                "y": [*values, *values[-1:]],
                "line": {"shape": "hv", "color": COLOURS[each.place % len(COLOURS)], "width": 2},
                "hovertemplate": f"{by} %{{x:.4g}}: %{{y:.5g}}",
            }
        )
    scores = [value for each in runners for _, _, value in each.best]
    return frame(
        traces,
        x=axis(TITLES[by]),
        y=scale(scores, maximize=maximize).axis(f"best validation {metric} so far"),
        height=380,
        showlegend=True,
    )
