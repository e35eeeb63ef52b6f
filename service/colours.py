"""Colours of optimizers: the same one wherever an optimizer of a job is drawn."""

from collections.abc import Sequence

COLOURS = (
    "#3b82f6", "#e8710a", "#2e9e5b", "#c94fb8", "#c99700",
    "#00a3b4", "#8b6fd6", "#e05263", "#7a8794", "#9c6f44",
)  # fmt: skip
"""Told apart on a light ground and on a dark one."""


def colour(optimizer: str, optimizers: Sequence[str]) -> str:
    """The colour of one of a job's optimizers; of many, some share theirs."""
    return COLOURS[optimizers.index(optimizer) % len(COLOURS)]
