"""What a better score costs: scores against training time, and against the optimizer's memory."""

from collections.abc import Sequence
from typing import Any

from service.charts.frame import NEUTRAL, Figure, axis, faint, frame, logarithmic, short
from service.charts.scores import SHOWN, scale
from service.colours import colour
from studies.pareto import Unbeaten
from studies.report import TrialView


def front(
    unbeaten: Sequence[Unbeaten],
    trials: Sequence[TrialView],
    metric: str,
    optimizers: Sequence[str],
    *,
    maximize: bool,
) -> dict[str, Figure]:
    """The charts by what they compare with: ``seconds``, and ``memory`` where that differs.

    Args:
        unbeaten: the front; without one there are no charts.
        trials: some of all, to see what the front is in front of.
        metric: that trials are judged by.
        optimizers: of the job.
        maximize: whether more is better.
    """
    if not unbeaten:
        return {}
    ahead = {each.number for each in unbeaten}
    beaten = [
        (trial.seconds, trial.value)
        for trial in trials
        if trial.value is not None and trial.seconds is not None and trial.number not in ahead
    ]
    scores = [*(each.score for each in unbeaten), *(value for _, value in beaten)]
    scored = scale(scores, maximize=maximize, share=SHOWN).axis(f"validation {metric}")
    others = {
        "type": "scatter",
        "mode": "markers",
        "name": "beaten trials",
        "x": short(seconds for seconds, _ in beaten),
        "y": short(value for _, value in beaten),
        "marker": {"color": faint(NEUTRAL, 0.5), "size": 5},
        "hoverinfo": "skip",
    }
    seconds = [*(each.seconds for each in unbeaten), *(seconds for seconds, _ in beaten)]
    charts = {
        "seconds": frame(
            [others, *_marked(unbeaten, optimizers, "seconds", [e.seconds for e in unbeaten])],
            x=axis("training seconds of the trial", **logarithmic(*_around(seconds))),
            y=scored,
            height=360,
        )
    }
    sizes = [each.state_bytes for each in unbeaten]
    if len(set(sizes)) > 1:
        charts["memory"] = frame(
            _marked(unbeaten, optimizers, "bytes", sizes),
            x=axis(
                "bytes that the optimizer remembers", range=[-0.08 * max(sizes), 1.08 * max(sizes)]
            ),
            y=scored,
            height=360,
        )
    return charts


def _around(costs: Sequence[float]) -> tuple[float, float]:
    """A little more than all costs."""
    known = [max(cost, 1e-6) for cost in costs]
    return min(known) / 1.2, max(known) * 1.2


def _marked(
    unbeaten: Sequence[Unbeaten], optimizers: Sequence[str], kind: str, costs: Sequence[float]
) -> list[dict[str, Any]]:
    """The front, a trace for each optimizer on it."""
    names = [name for name in optimizers if any(each.optimizer == name for each in unbeaten)]
    traces = []
    for name in names:
        mine = [
            (each, cost)
            for each, cost in zip(unbeaten, costs, strict=True)
            if each.optimizer == name
        ]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [cost for _, cost in mine],
                "y": short(each.score for each, _ in mine),
                "marker": {"color": colour(name, optimizers), "size": 11, "symbol": "diamond"},
                "text": [f"trial {each.number}" for each, _ in mine],
                "hovertemplate": f"%{{text}}: %{{y:.5g}}, {kind} %{{x:.3s}}",
            }
        )
    return traces
