"""The charts of a report, as figures for plotly's script."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import plotly.graph_objects as go

from service.colours import COLOURS, colour
from studies.report import Report
from studies.sensitivity import Point

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "star")
DASHES = ("solid", "dash", "dot", "dashdot")
NEUTRAL = "#7a8794"
GRID = "rgba(128,128,128,0.25)"
HIDDEN_FROM = 8  # optimizers beyond so many are in the legend, and shown by a click on it
SHOWN_SCORES = 0.9  # share of the scores that a chart begins with: bad trials are far away


class Scores(NamedTuple):
    """How an axis shows scores: its ends, the worst that it begins with, and its scale."""

    low: float
    high: float
    worst: float
    scale: str


def charts(report: Report) -> dict[str, go.Figure]:
    """Every chart that the report has the numbers for, by name."""
    found = {
        "ranking": _ranking(report),
        "learning_rates": _learning_rates(report),
        "curves": _curves(report),
        "progress": _progress(report),
    }
    return {name: figure for name, figure in found.items() if figure is not None}


def _ranking(report: Report) -> go.Figure | None:
    """Means of the finalists on the test rows, with their intervals."""
    if report.verdict is None:
        return None
    finalists = report.verdict.finalists[::-1]  # the first on top
    means = [each.mean for each in finalists]
    figure = go.Figure(
        go.Scatter(
            x=means,
            y=[f"{each.optimizer}, trial {each.number}" for each in finalists],
            mode="markers",
            marker={"size": 9, "color": [_colour(report, each.optimizer) for each in finalists]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [each.interval[1] - each.mean for each in finalists],
                "arrayminus": [each.mean - each.interval[0] for each in finalists],
                "thickness": 1.5,
                "color": NEUTRAL,
            },
            hovertemplate=f"%{{y}}: %{{x:.5g}}<extra>test {report.metric}</extra>",
        )
    )
    lay_out(
        figure, x=f"test {report.metric}, mean of the fresh seeds and its 95 % interval", y=None
    )
    figure.update_layout(height=120 + 26 * len(finalists), showlegend=False)
    figure.update_yaxes(automargin=True)
    return figure


def _learning_rates(report: Report) -> go.Figure | None:
    """Scores by learning rate; diverged trials at the edge."""
    said = {name: each for name, each in report.sensitivity.items() if each.points}
    every = [point for each in said.values() for point in each.points]
    scores = [point.score for point in every if point.score is not None]
    if not scores:
        return None
    shown = axis(report.direction, scores, SHOWN_SCORES)
    figure = go.Figure()
    for place, (name, each) in enumerate(said.items()):
        figure.add_scatter(
            name=name,
            x=[point.learning_rate for point in each.points],
            y=[shown.worst if point.score is None else point.score for point in each.points],
            mode="markers",
            marker={
                "color": _colour(report, name),
                "size": 8,
                "symbol": [_symbol(report, name, point) for point in each.points],
            },
            text=[f"trial {point.number}, {point.outcome}" for point in each.points],
            hovertemplate="%{text}<br>rate %{x:.3g}<br>%{y:.5g}",
            visible=True if place < HIDDEN_FROM else "legendonly",
        )
    lay_out(figure, x="learning rate (peak of the schedule)", y=f"validation {report.metric}")
    figure.update_xaxes(type="log", exponentformat="power", dtick=1)
    show(figure, shown)
    return figure


def _curves(report: Report) -> go.Figure | None:
    """The learning curve of every optimizer's best trial."""
    drawn = {name: curve for name, curve in report.curves.items() if curve}
    if not drawn:
        return None
    figure = go.Figure()
    for place, (name, curve) in enumerate(drawn.items()):
        figure.add_scatter(
            name=name,
            x=list(curve),
            y=list(curve.values()),
            mode="lines+markers" if len(curve) < 10 else "lines",
            line={
                "color": _colour(report, name),
                "dash": DASHES[_turn(report, name) % len(DASHES)],
            },
            hovertemplate="epoch %{x}: %{y:.5g}",
            visible=True if place < HIDDEN_FROM else "legendonly",
        )
    lay_out(figure, x="epoch", y=f"validation {report.metric}")
    show(figure, axis(report.direction, [v for curve in drawn.values() for v in curve.values()]))
    return figure


def _progress(report: Report) -> go.Figure | None:
    """The best score so far by trials."""
    if not report.progress:
        return None
    numbers = [number for number, _ in report.progress]
    values = [value for _, value in report.progress]
    end = max(numbers[-1], sum(report.trials.values()) - 1)
    figure = go.Figure(
        go.Scatter(
            x=[*numbers, end],
            y=[*values, values[-1]],
            mode="lines",
            line={"shape": "hv", "color": COLOURS[0]},
            hovertemplate="trial %{x}: %{y:.5g}<extra></extra>",
        )
    )
    lay_out(figure, x="trial", y=f"best validation {report.metric} so far")
    show(figure, axis(report.direction, values))
    return figure


def _turn(report: Report, optimizer: str) -> int:
    """How often the colours have been used up before an optimizer's turn."""
    return list(report.sensitivity).index(optimizer) // len(COLOURS)


def _colour(report: Report, optimizer: str) -> str:
    return colour(optimizer, list(report.sensitivity))


def _symbol(report: Report, optimizer: str, point: Point) -> str:
    symbol = SYMBOLS[_turn(report, optimizer) % len(SYMBOLS)]
    if point.outcome == "diverged":
        return "x"
    return symbol if point.outcome == "completed" else f"{symbol}-open"


def axis(direction: str, scores: Iterable[float], share: float = 1.0) -> Scores:
    """The axis for a share of the scores, the best ones; losses that span decades are logarithmic."""
    ordered = sorted(scores, reverse=direction == "maximize")
    best, worst = ordered[0], ordered[math.ceil(share * len(ordered)) - 1]
    low, high = min(best, worst), max(best, worst)
    if direction == "minimize" and low > 0 and high / low > 3:
        room = (high / low) ** 0.05
        return Scores(low / room, high * room, worst, "log")
    span = 0.05 * (high - low or abs(high) or 1.0)
    return Scores(low - span, high + span, worst, "linear")


def show(figure: go.Figure, axis: Scores) -> None:
    """Let a figure show scores by an axis."""
    if axis.scale == "log":
        step = "D2" if axis.high / axis.low < 1000 else 1  # 1, 2, 5 of each decade
        ends = [math.log10(axis.low), math.log10(axis.high)]
        figure.update_yaxes(type="log", range=ends, dtick=step, tickformat="~g")
    else:
        figure.update_yaxes(range=[axis.low, axis.high])


def lay_out(figure: go.Figure, *, x: str, y: str | None) -> None:
    """What all charts look like; with the names of their axes."""
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 64, "r": 16, "t": 16, "b": 56},
        height=420,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        hovermode="closest",
    )
    figure.update_xaxes(title={"text": x}, gridcolor=GRID, zeroline=False)
    figure.update_yaxes(title={"text": y} if y else None, gridcolor=GRID, zeroline=False)
