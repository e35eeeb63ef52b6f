"""What all figures share: a ground that is the page's, quiet lines, numbers no longer than useful."""

from collections.abc import Iterable
from math import ceil, floor, isfinite, log10
from typing import Any

Figure = dict[str, Any]

NEUTRAL = "#7a8794"
GRID = "rgba(128,128,128,0.25)"
CLEAR = "rgba(0,0,0,0)"
SHOWN_AT_FIRST = 8  # optimizers; the others are in the legend, and shown by a click on it


def frame(
    traces: list[dict[str, Any]],
    *,
    x: dict[str, Any],
    y: dict[str, Any],
    height: int = 400,
    **layout: Any,
) -> Figure:
    """A figure of traces, with its axes."""
    line = {"gridcolor": GRID, "zeroline": False, "automargin": True}
    return {
        "data": traces,
        "layout": {
            "paper_bgcolor": CLEAR,
            "plot_bgcolor": CLEAR,
            "margin": {"l": 56, "r": 16, "t": 24, "b": 48},
            "height": height,
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "hovermode": "closest",
            "xaxis": line | x,
            "yaxis": line | y,
            **layout,
        },
    }


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis that says what it shows."""
    return {"title": {"text": title}, **more}


def logarithmic(low: float, high: float) -> dict[str, Any]:
    """A logarithmic axis from a number above 0 to a larger one, with few round numbers at it."""
    decades = log10(high / low)
    steps = (1, 2, 5) if decades < 1.5 else (1, 3) if decades < 3 else (1,)
    every = max(1, ceil(decades / 8))
    exponents = range(floor(log10(low)), ceil(log10(high)) + 1)
    ticks = [step * 10.0**e for e in exponents if e % every == 0 for step in steps]
    seen = [tick for tick in ticks if low <= tick <= high] or [low, high]
    return {
        "type": "log",
        "range": [log10(low), log10(high)],
        "tickvals": seen,
        "ticktext": [f"{tick:.3g}" for tick in seen],
    }


def short(values: Iterable[float]) -> list[float | None]:
    """Five digits of each: more are not seen, and are most of a page's bytes; None if not finite."""
    return [float(f"{value:.5g}") if isfinite(value) else None for value in values]


def faint(colour: str, share: float) -> str:
    """A colour of ours, see-through."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


def visible(place: int) -> bool | str:
    """Whether the optimizer at a place of the list is shown at first."""
    return True if place < SHOWN_AT_FIRST else "legendonly"
