"""Pieces of Python text as `ruff format` would leave them."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

WIDTH = 100


def call(function: str, positional: Iterable[str], named: Mapping[str, object], start: str) -> str:
    """A call after ``start``, which begins its line: on one line if it fits, else a line each."""
    arguments = [*positional, *(f"{name}={value!r}" for name, value in named.items())]
    return bracketed(f"{start}{function}(", arguments, ")")


def bracketed(opening: str, items: Iterable[str], closing: str) -> str:
    """Items between brackets: on one line if it fits, else a line each."""
    items = list(items)
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) <= WIDTH:
        return line
    indent = " " * (len(opening) - len(opening.lstrip()))
    return "\n".join([opening, *(f"{indent}    {item}," for item in items), f"{indent}{closing}"])


def strings(opening: str, names: Sequence[str]) -> str:
    """A tuple of strings after ``opening``."""
    quoted = [f'"{name}"' for name in names]
    return bracketed(f"{opening}(", quoted, ",)" if len(quoted) == 1 else ")")


def paragraph(words: str, indent: str = "") -> str:
    """Lines no longer than a line of code."""
    return textwrap.fill(
        words, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


def chosen_lines(text: str, flags: Mapping[str, bool]) -> str:
    """The lines that end in ``#? flag`` with a flag that is set, and all without one."""
    lines = [line.partition("  #? ") for line in text.split("\n")]
    return "\n".join(line for line, _, flag in lines if not flag or flags[flag])
