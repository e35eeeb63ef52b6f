"""The chart of a job's best value so far, with every trial that led there."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from service.charts.frame import NEUTRAL
from service.colours import colour
from service.pages.live_chart import Chart, Trace, figure, scores_axis, short, spread
from service.schemas import JobView
from service.trials import Outline

DOTS = 1_000
SYMBOLS = {"completed": "circle", "dropped": "circle-open", "diverged": "x"}
UNITS = (("seconds", 1.0, 300.0), ("minutes", 60.0, 3 * 3600.0), ("hours", 3600.0, float("inf")))


class Dot(NamedTuple):
    """A trial that ended, and after how much of what is counted."""

    trial: Outline
    x: float


def by_trials(job: JobView, trials: Sequence[Outline], optimizers: Sequence[str]) -> Chart:
    """The best value by the numbers of trials."""
    dots = [Dot(each, each.number) for each in trials if each.outcome in SYMBOLS]
    return _chart(job, dots, optimizers, "Best value so far, trial by trial", x="trial")


def by_time(
    job: JobView, trials: Sequence[Outline], optimizers: Sequence[str], began: datetime
) -> Chart:
    """The best value by the times at which trials ended."""
    ended = sorted(
        ((each.ended - began).total_seconds(), each.number, each)
        for each in trials
        if each.outcome in SYMBOLS and each.ended is not None
    )
    longest = ended[-1][0] if ended else 0.0
    unit, seconds, _ = next(each for each in UNITS if longest < each[2])
    dots = [Dot(each, at / seconds) for at, _, each in ended]
    x = f"{unit} since the job began"
    chart = _chart(job, dots, optimizers, "The same as time goes by", x=x)
    chart.figure["layout"]["xaxis"]["rangemode"] = "tozero"
    return chart


def _chart(
    job: JobView, dots: Sequence[Dot], optimizers: Sequence[str], said: str, *, x: str
) -> Chart:
    values = [dot.trial.value for dot in dots if dot.trial.value is not None and not _away(dot)]
    scores = scores_axis(job, values)
    steps = _steps(job, dots)
    kept = spread((dot.trial.number for dot in dots), DOTS) | {step.trial.number for step in steps}
    drawn = [dot for dot in dots if dot.trial.number in kept]
    traces = [_markers(name, drawn, optimizers, scores.worst) for name in optimizers]
    if steps:
        traces.append(_best(steps, end=dots[-1].x))
    caption = f"{said}: ● completed, ○ dropped at a rung, × diverged (at the edge)."
    if len(drawn) < len(dots):
        caption += f" {len(drawn):,} of {len(dots):,} trials are drawn."
    return Chart(figure(job, optimizers, traces, scores, x=x), caption)


def _markers(name: str, dots: Iterable[Dot], optimizers: Sequence[str], worst: float) -> Trace:
    """The trials of one optimizer."""
    own = [dot for dot in dots if dot.trial.optimizer == name]
    return {
        "mode": "markers",
        "name": name,
        "x": [short(dot.x) for dot in own],
        "y": [worst if _away(dot) else short(dot.trial.value or 0.0) for dot in own],
        "customdata": [dot.trial.number for dot in own],
        "text": [dot.trial.outcome for dot in own],
        "marker": {
            "color": colour(name, optimizers),
            "size": 7,
            "symbol": [SYMBOLS[dot.trial.outcome] for dot in own],
        },
        "hovertemplate": "trial %{customdata}, %{text}: %{y:.5g}",
    }


def _best(steps: Sequence[Dot], *, end: float) -> Trace:
    values = [short(step.trial.value or 0.0) for step in steps]
    return {
        "mode": "lines",
        "name": "best so far",
        "x": [*(short(step.x) for step in steps), short(end)],
        "y": [*values, values[-1]],
        "line": {"shape": "hv", "color": NEUTRAL, "width": 2.5},
        "hoverinfo": "skip",
    }


def _steps(job: JobView, dots: Iterable[Dot]) -> list[Dot]:
    """The trials that were the best so far as they ended."""
    sign = -1.0 if job.direction == "maximize" else 1.0
    found: list[Dot] = []
    best = float("inf")
    for dot in dots:
        value = dot.trial.value
        if dot.trial.outcome == "completed" and value is not None and sign * value < best:
            best = sign * value
            found.append(dot)
    return found


def _away(dot: Dot) -> bool:
    """Whether a trial has no place among the values."""
    return dot.trial.outcome == "diverged" or dot.trial.value is None
