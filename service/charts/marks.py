"""How optimizers are told apart where there are more of them than colours."""

from collections.abc import Sequence
from typing import Any

from service.colours import COLOURS, colour

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def line(optimizer: str, optimizers: Sequence[str]) -> dict[str, Any]:
    """Colour and dashes of an optimizer's line."""
    turn = optimizers.index(optimizer) // len(COLOURS)
    return {"color": colour(optimizer, optimizers), "dash": DASHES[turn % len(DASHES)]}


def symbol(optimizer: str, optimizers: Sequence[str]) -> str:
    """The symbol of an optimizer's points."""
    return SYMBOLS[optimizers.index(optimizer) // len(COLOURS) % len(SYMBOLS)]
