"""The colours of charts."""

from collections.abc import Sequence

# Told apart on a light ground and on a dark one.
COLOURS = (
    "#3b82f6", "#e8710a", "#2e9e5b", "#c94fb8", "#c99700",
    "#00a3b4", "#8b6fd6", "#e05263", "#7a8794", "#9c6f44",
)  # fmt: skip


def colour(optimizer: str, optimizers: Sequence[str]) -> str:
    """An optimizer's colour: the same in every chart of a study.

    Args:
        optimizer: by name.
        optimizers: all of the study, in the order of its space.
    """
    return COLOURS[optimizers.index(optimizer) % len(COLOURS)]
