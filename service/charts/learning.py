"""How trials learn, and how the search came to the best of them."""

from collections.abc import Mapping, Sequence

from service.charts.frame import Figure, axis, frame, short, visible
from service.charts.marks import line
from service.charts.scores import scale
from service.colours import COLOURS


def curves(
    found: Mapping[str, Mapping[int, float]],
    metric: str,
    optimizers: Sequence[str],
    *,
    maximize: bool,
) -> Figure | None:
    """The learning curve of every optimizer's best trial; None without one.

    Args:
        found: the metric by epoch, by optimizer.
        metric: that trials are judged by.
        optimizers: of the job.
        maximize: whether more is better.
    """
    drawn = {name: curve for name, curve in found.items() if curve}
    if not drawn:
        return None
    traces = [
        {
            "type": "scatter",
            "name": name,
            "x": list(curve),
            "y": short(curve.values()),
            "mode": "lines+markers" if len(curve) < 10 else "lines",
            "line": line(name, optimizers),
            "hovertemplate": "epoch %{x}: %{y:.5g}",
            "visible": visible(place),
        }
        for place, (name, curve) in enumerate(drawn.items())
    ]
    scores = [score for curve in drawn.values() for score in curve.values()]
    return frame(
        traces,
        x=axis("epoch"),
        y=scale(scores, maximize=maximize).axis(f"validation {metric}"),
    )


def progress(
    found: Sequence[tuple[int, float]], metric: str, trials: int, *, maximize: bool
) -> Figure | None:
    """The best score so far, by trials; None without one.

    Args:
        found: number and value wherever the best changed.
        metric: that trials are judged by.
        trials: that there are.
        maximize: whether more is better.
    """
    if not found:
        return None
    numbers, values = zip(*found, strict=True)
    trace = {
        "type": "scatter",
        "x": [*numbers, max(numbers[-1], trials - 1)],
        "y": short([*values, values[-1]]),
        "mode": "lines",
        "line": {"shape": "hv", "color": COLOURS[0]},
        "hovertemplate": "trial %{x}: %{y:.5g}<extra></extra>",
    }
    return frame(
        [trace],
        x=axis("trial"),
        y=scale(values, maximize=maximize).axis(f"best validation {metric} so far"),
    )
