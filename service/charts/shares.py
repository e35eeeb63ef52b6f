"""What each choice matters: shares of the differences between trials, with their intervals."""

from collections.abc import Sequence

from service.charts.frame import NEUTRAL, Figure, axis, faint, frame
from service.colours import COLOURS
from studies.importance import ChoiceShare


def shares(choices: Sequence[ChoiceShare]) -> Figure:
    """The chart, the largest share on top."""
    shown = choices[::-1]
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [100 * each.share for each in shown],
        "y": [each.choice.replace("_", " ") for each in shown],
        "marker": {"color": faint(COLOURS[0], 0.6)},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [100 * max(each.interval[1] - each.share, 0) for each in shown],
            "arrayminus": [100 * max(each.share - each.interval[0], 0) for each in shown],
            "color": NEUTRAL,
        },
        "hovertemplate": "%{y}: %{x:.0f} %<extra></extra>",
    }
    return frame(
        [trace],
        x=axis("share of the differences between trials, %", range=[0, 100]),
        y={},
        height=100 + 40 * len(shown),
        showlegend=False,
    )
