"""What a search tries right after the defaults: configurations that did well on many tables.

A portfolio in the sense of Feurer et al. 2022 (Auto-Sklearn 2.0); Metz et al. 2020 (Using a Thousand
Optimization Tasks to Learn Hyperparameter Search Strategies) do so for optimizers.
`benchmarks.portfolio` chose it, on tables that samplers are not measured on: one for classifications, and
one for regressions, of which a short study tries fewer: there the sampler's own trials are worth more.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from math import log
from pathlib import Path

from optimizers.configuration import Batch, Configuration
from studies.space import Space
from studies.spec import Task

PATH = Path(__file__).parent / "portfolio.json"
"""The chosen, by task, in the order in which to try them."""

FEW: dict[Task, int] = {"classification": 12, "regression": 6}
"""So many are tried by a short study, but of half its trials at most: other tables may mislead."""

ONE_IN = 8
"""Of a longer study's trials may be from the portfolio: its first waves know nothing better."""


def portfolio(space: Space, task: Task, trials: int) -> list[Configuration]:
    """The first of a task's portfolio that are of a space, as many as so many trials allow.

    Where the space has not their batch of a number, they get the nearest that it has.
    """
    found: list[Configuration] = []
    for one in chosen(task):
        for batch in _nearest(one.batch, space.batches):
            fitted = replace(one, batch=batch)
            if fitted not in found and space.contains(space.params(fitted)):
                found.append(fitted)
    return found[: min(-(-trials // 2), max(FEW[task], trials // ONE_IN))]


@cache
def chosen(task: Task) -> tuple[Configuration, ...]:
    """The whole portfolio of a task; that of classifications serves regressions after their own."""
    found = tuple(Configuration.from_dict(form) for form in json.loads(PATH.read_text())[task])
    return found if task == "classification" else found + chosen("classification")


def _nearest(batch: Batch, batches: list[Batch]) -> Iterator[Batch]:
    """The one to use in its place, if there is one."""
    if isinstance(batch, str):
        yield from (other for other in batches if other == batch)
        return
    sizes = [size for size in batches if isinstance(size, int)]
    yield from sorted(sizes, key=lambda size: abs(log(size / batch)))[:1]
