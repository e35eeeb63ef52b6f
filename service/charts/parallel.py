"""Trials as lines through their choices: which of them lead to good scores.

The optimizer comes first, as it decides what else there is to choose. Where many trials made the same
choice, the better ones lie higher in it. Lines are those of a plain chart, because plotly's own
parallel coordinates make code at run time, which the policy of our pages forbids.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.charts.frame import NEUTRAL, Figure, faint, frame, visible
from service.charts.marks import line
from service.charts.scores import SHOWN, Scores, scale
from studies.report import TrialView

BEST, NEXT = 0.05, 0.25
"""Shares of the completed trials that are told apart from the others."""

SPREAD = 0.7  # of the room of a choice, over which its trials are spread
BOTTOM = -0.08  # where diverged trials end
TICKS = 16  # choices of an axis that are named at most: more would not fit


@dataclass(frozen=True)
class _Line:
    """A trial, and where it crosses each axis, from 0 at the bottom to 1."""

    trial: TrialView
    heights: list[float]
    text: str


@dataclass(frozen=True)
class _Axis:
    """One choice.

    Attributes:
        title: what it is.
        height: of a trial, given where its score lies.
        ticks: height and text.
    """

    title: str
    height: Callable[[TrialView, float], float]
    ticks: list[tuple[float, str]]


def parallel(
    trials: Sequence[TrialView],
    metric: str,
    ranked: Sequence[str],
    optimizers: Sequence[str],
    *,
    maximize: bool,
) -> dict[str, Figure]:
    """The chart twice, with lines coloured by ``score`` and by ``optimizer``; none without a score.

    Args:
        trials: that completed, were dropped or diverged; at most some hundred.
        metric: that they are judged by.
        ranked: optimizers of the job, the best on top.
        optimizers: the same in the order of their colours.
        maximize: whether more is better.
    """
    ended = [t for t in trials if t.outcome in {"completed", "dropped", "diverged"}]
    scores = {t.number: score for t in ended if (score := _score(t, metric)) is not None}
    if not scores:
        return {}
    scored = scale(scores.values(), maximize=maximize, share=SHOWN)
    heights = {number: _height(scored, score, maximize) for number, score in scores.items()}
    axes = [*_choices(ended, ranked), _scores(scored, metric, maximize)]
    lines = [
        _Line(trial, [each.height(trial, height) for each in axes], _text(trial, scores, metric))
        for trial in ended
        for height in [heights.get(trial.number, BOTTOM)]
    ]
    order = sorted(scores, key=lambda number: scores[number], reverse=maximize)
    return {
        "score": _figure(axes, _by_score(lines, order)),
        "optimizer": _figure(axes, _by_optimizer(lines, ranked, optimizers)),
    }


def _score(trial: TrialView, metric: str) -> float | None:
    """At the end; of a dropped trial, at its rung."""
    found = trial.metrics.get(metric) if trial.value is None else trial.value
    usable = trial.outcome != "diverged" and found is not None and math.isfinite(found)
    return found if usable else None


def _height(scored: Scores, score: float, maximize: bool) -> float:
    """Where a score lies on its axis, the best on top; scores worse than it shows, at its bottom."""
    low, high, at = scored.low, scored.high, score
    if scored.log:
        low, high, at = math.log(low), math.log(high), math.log(score)
    share = (at - low) / (high - low)
    return min(max(share if maximize else 1 - share, 0.0), 1.0)


def _choices(trials: Sequence[TrialView], ranked: Sequence[str]) -> list[_Axis]:
    used = {_name(trial, "optimizer") for trial in trials}
    schedules = {_name(trial, "schedule") for trial in trials}
    batches = {str(trial.config["batch"]) for trial in trials}
    return [
        _categories(
            "optimizer",
            [name for name in ranked if name in used],
            lambda trial: _name(trial, "optimizer"),
        ),
        _rates(trials),
        _categories("schedule", sorted(schedules), lambda trial: _name(trial, "schedule")),
        _categories("batch", sorted(batches, key=_size), lambda trial: str(trial.config["batch"])),
    ]


def _name(trial: TrialView, part: str) -> str:
    return str(trial.config[part]["name"])


def _size(batch: str) -> float:
    """Smallest batch on top."""
    words = {"single": 0.0, "full": math.inf}
    return words[batch] if batch in words else float(batch)


def _categories(title: str, names: Sequence[str], of: Callable[[TrialView], str]) -> _Axis:
    """A slot for each name, the first on top."""
    slot = 1 / len(names)
    centres = {name: 1 - slot * (place + 0.5) for place, name in enumerate(names)}

    def height(trial: TrialView, score: float) -> float:
        return centres[of(trial)] + SPREAD * slot * (max(score, 0.0) - 0.5)

    every = math.ceil(len(names) / TICKS)
    return _Axis(title, height, [(centres[name], name) for name in names[::every]])


def _rates(trials: Sequence[TrialView]) -> _Axis:
    rates = [math.log10(_rate(trial)) for trial in trials if _rate(trial) > 0]
    low, high = min(rates, default=-1.0), max(rates, default=0.0)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)

    def height(trial: TrialView, _: float) -> float:
        rate = _rate(trial)
        return (math.log10(rate) - low) / (high - low) if rate > 0 else 0.0

    decades = range(math.ceil(low), math.floor(high) + 1)
    ticks = [((decade - low) / (high - low), f"1e{decade}") for decade in decades]
    ends = [(0.0, f"{10**low:.2g}"), (1.0, f"{10**high:.2g}")]
    return _Axis("learning rate", height, ticks if len(ticks) > 1 else ends)


def _rate(trial: TrialView) -> float:
    return float(trial.config["optimizer"]["learning_rate"])


def _scores(scored: Scores, metric: str, maximize: bool) -> _Axis:
    ticks = [(_height(scored, value, maximize), f"{value:.3g}") for value in scored.ticks()]
    return _Axis(f"validation {metric}", lambda _, score: score, [*ticks, (BOTTOM, "diverged")])


def _text(trial: TrialView, scores: Mapping[int, float], metric: str) -> str:
    score = scores.get(trial.number)
    ended = trial.outcome if score is None else f"{metric} {score:.4g}"
    return (
        f"trial {trial.number}: {_name(trial, 'optimizer')}, rate {_rate(trial):.2g}, "
        f"{_name(trial, 'schedule')}, batch {trial.config['batch']}<br>{ended}"
    )


def _by_score(lines: Sequence[_Line], ranked: Sequence[int]) -> list[dict[str, Any]]:
    """The best last, so that they lie on top."""
    best = max(1, round(BEST * len(ranked)))
    following = max(best, round(NEXT * len(ranked)))
    places = {number: place for place, number in enumerate(ranked)}

    def among(first: int, last: int) -> list[_Line]:
        return [each for each in lines if first <= places.get(each.trial.number, -1) < last]

    groups = [
        (
            "diverged",
            [each for each in lines if each.trial.number not in places],
            "#e05263",
            1,
            0.5,
        ),
        ("others", among(following, len(ranked)), NEUTRAL, 1, 0.4),
        (f"best {NEXT:.0%}", among(best, following), "#3b82f6", 1.2, 0.7),
        (f"best {BEST:.0%}", among(0, best), "#e8710a", 2.5, 1.0),
    ]
    return [
        _trace(name, group, {"color": faint(ink, share), "width": width})
        for name, group, ink, width, share in groups
        if group
    ]


def _by_optimizer(
    lines: Sequence[_Line], ranked: Sequence[str], optimizers: Sequence[str]
) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    for name in ranked:
        group = [each for each in lines if _name(each.trial, "optimizer") == name]
        if group:
            ink = line(name, optimizers) | {"width": 1.2}
            shown = visible(len(traces))
            traces.append(_trace(name, group, ink) | {"visible": shown, "opacity": 0.7})
    return traces


def _trace(name: str, group: Sequence[_Line], ink: dict[str, Any]) -> dict[str, Any]:
    """All lines of a group as one, with gaps between them."""
    x: list[int | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for each in group:
        x += [*range(len(each.heights)), None]
        y += [*(round(height, 4) for height in each.heights), None]
        texts += [each.text] * len(each.heights) + [""]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": ink,
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
    }


def _figure(axes: Sequence[_Axis], traces: list[dict[str, Any]]) -> Figure:
    ticks = [(place, *tick) for place, each in enumerate(axes) for tick in each.ticks]
    return frame(
        traces,
        x={
            "tickvals": list(range(len(axes))),
            "ticktext": [each.title for each in axes],
            "side": "top",
            "range": [-0.03, len(axes) - 0.97],
            "showgrid": True,
            "gridcolor": NEUTRAL,
            "fixedrange": True,
        },
        y={"visible": False, "range": [BOTTOM - 0.05, 1.05], "fixedrange": True},
        height=460,
        margin={"l": 84, "r": 60, "t": 64, "b": 16},
        legend={"orientation": "h", "y": -0.02, "yanchor": "top", "traceorder": "reversed"},
        annotations=[
            {
                "x": place,
                "y": height,
                "text": text,
                "xanchor": "right" if place == 0 else "left",
                "xshift": -4 if place == 0 else 4,
                "showarrow": False,
                "font": {"size": 11},
                "bgcolor": "rgba(128,128,128,0.12)",
            }
            for place, height, text in ticks
        ],
    )
