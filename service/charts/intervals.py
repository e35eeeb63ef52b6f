"""Means of the finalists on the test rows, with their intervals: what overlaps is hard to tell apart."""

from collections.abc import Sequence

from service.charts.frame import NEUTRAL, Figure, axis, frame
from service.colours import colour
from studies.verdict import Finalist


def intervals(finalists: Sequence[Finalist], metric: str, optimizers: Sequence[str]) -> Figure:
    """The chart.

    Args:
        finalists: best mean first; it stands on top.
        metric: that they were judged by.
        optimizers: of the job.
    """
    shown = finalists[::-1]
    first = {each.optimizer: each for each in shown}.values()  # the best of each optimizer
    low, high = min(each.interval[0] for each in first), max(each.interval[1] for each in first)
    room = 0.05 * (high - low or abs(high) or 1.0)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [each.mean for each in shown],
        "y": [f"{each.optimizer}, trial {each.number}" for each in shown],
        "marker": {"size": 10, "color": [colour(each.optimizer, optimizers) for each in shown]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [each.interval[1] - each.mean for each in shown],
            "arrayminus": [each.mean - each.interval[0] for each in shown],
            "thickness": 1.5,
            "color": NEUTRAL,
        },
        "hovertemplate": f"%{{y}}: %{{x:.5g}}<extra>test {metric}</extra>",
    }
    return frame(
        [trace],
        # A runner-up may be far away: what matters is how the best of each lie to one another.
        x=axis(
            f"test {metric}, mean and 95 % interval",
            range=[low - room, high + room],
        ),
        y={},
        height=110 + 28 * len(shown),
        showlegend=False,
    )
