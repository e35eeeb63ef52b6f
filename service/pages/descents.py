"""Descents of landscapes that a visitor asks for: all paths of a request are one stack."""

import asyncio
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache

import torch
from pydantic import BaseModel

from optimizers.configuration import Configuration
from optimizers.models.landscapes import Landscape
from optimizers.stack import Outcome
from optimizers.training import train
from service.errors import Unavailable
from service.pages.asked import Asked, Path

RATES = tuple(10 ** (power / 5) for power in range(-20, 6))
"""Of which the best is found where a path names none: 10⁻⁴ to 10, five in each power of ten."""

SECONDS = 5.0  # after which a descent is given up; the longest takes a third of it
WAITING = 16  # who wait for their turn; more are told to come again
GRID = 121  # points a side


class Descent(BaseModel):
    """One path as it went; points are where the rule would be judged, the first is the start.

    Attributes:
        optimizer: name of its rule.
        schedule: name of its schedule.
        rate: learning rate that it ran with.
        best_of: how many rates were tried to find it; None if it was given.
        x: of its points.
        y: likewise.
        height: above the deepest point.
        distance: of the last from the nearest deepest point.
        diverged_at: the step at which it left: nowhere, or a hundred times as high as the start, for good.
    """

    optimizer: str
    schedule: str
    rate: float
    best_of: int | None
    x: list[float]
    y: list[float]
    height: list[float]
    distance: float
    diverged_at: int | None


class Descents(BaseModel):
    """What came of a request."""

    landscape: str
    start: tuple[float, float]
    steps: int
    noise: float
    paths: list[Descent]


class Surface(BaseModel):
    """A landscape to draw.

    Attributes:
        x: of the grid's columns.
        y: of the grid's rows.
        height: above the deepest point, row by row.
        minima: the deepest points.
    """

    x: list[float]
    y: list[float]
    height: list[list[float]]
    minima: list[tuple[float, float]]


_TURNS = ThreadPoolExecutor(1, thread_name_prefix="playground")
_room = threading.BoundedSemaphore(WAITING)


async def in_turn(asked: Asked) -> Descents:
    """What comes of a request; one after another, so that jobs and other requests keep the rest.

    Raises:
        Unavailable: too many wait already, or it took too long.
    """
    if not _room.acquire(blocking=False):
        raise Unavailable("Many are playing at the moment. Try again in a second.")
    try:
        return await asyncio.get_running_loop().run_in_executor(_TURNS, descend, asked)
    finally:
        _room.release()


@lru_cache(maxsize=32)
def descend(asked: Asked) -> Descents:
    """Run every path, those without a rate with the best of `RATES`.

    Raises:
        Unavailable: it took too long.
    """
    rates = _rates(asked)
    outcomes = _train(
        asked,
        [
            path.configuration(each[0], "full")
            for path, each in zip(asked.paths, rates, strict=True)
        ],
        steps_an_epoch=1,
    )
    for place, path in enumerate(asked.paths):
        # It may end low and yet have been so high on its way that it leaves.
        while outcomes[place].diverged_at and len(rates[place]) > 1:
            rates[place].pop(0)
            trial = path.configuration(rates[place][0], "full")
            (outcomes[place],) = _train(asked, [trial], steps_an_epoch=1)
    return Descents(
        landscape=asked.landscape,
        start=asked.start,
        steps=asked.steps,
        noise=asked.noise,
        paths=[
            _descent(path, each[0], outcome)
            for path, each, outcome in zip(asked.paths, rates, outcomes, strict=True)
        ],
    )


def _rates(asked: Asked) -> list[list[float]]:
    """The rates of each path: the one that is given, or all that end somewhere, lowest first."""
    open_paths = [path for path in asked.paths if path.rate is None]
    # One epoch of all steps: judged at its end alone, which is eight times as quick.
    trials = [path.configuration(rate, "single") for path in open_paths for rate in RATES]
    outcomes = iter(_train(asked, trials, steps_an_epoch=asked.steps) if trials else [])
    found = []
    for path in asked.paths:
        if path.rate is None:
            ends = {rate: _end(next(outcomes)) for rate in RATES}
            best = sorted(RATES, key=ends.__getitem__)
            found.append([rate for rate in best if ends[rate] < math.inf] or best[:1])
        else:
            found.append([path.rate])
    return found


def _end(outcome: Outcome) -> float:
    return math.inf if outcome.diverged_at else outcome.metrics["loss"][-1]


def _train(asked: Asked, trials: list[Configuration], *, steps_an_epoch: int) -> list[Outcome]:
    problem = Landscape(asked.landscape, start=asked.start, gradient_noise=asked.noise)
    examples = problem.examples(steps_an_epoch)
    deadline = time.monotonic() + SECONDS
    epochs = asked.steps // steps_an_epoch
    outcomes = train(
        problem,
        examples,
        problem.examples(1),
        trials,
        epochs=epochs,
        dtype=torch.float64,
        stack_trials=len(trials),
        keep_going=lambda: time.monotonic() < deadline,
    )
    if any(not each.diverged_at and len(each.training_loss) < epochs for each in outcomes):
        raise Unavailable("The server is too busy to play at the moment. Try again.")
    return outcomes


def _descent(path: Path, rate: float, outcome: Outcome) -> Descent:
    x, y, height, distance = (
        # To where it left, though it went on in the hope that it would come back.
        [outcome.untrained[name], *outcome.metrics.get(name, [])][: outcome.diverged_at]
        for name in ("x", "y", "loss", "distance")
    )
    return Descent(
        optimizer=path.optimizer,
        schedule=path.schedule,
        rate=rate,
        best_of=len(RATES) if path.rate is None else None,
        x=x,
        y=y,
        height=height,
        distance=distance[-1],
        diverged_at=outcome.diverged_at,
    )


@cache
def surface(name: str) -> Surface:
    """A landscape's heights on a grid over its domain.

    Raises:
        UnknownName: no landscape has this name.
    """
    problem = Landscape(name)
    x, y = (torch.linspace(*ends, GRID, dtype=torch.float64) for ends in problem.surface.domain)
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # (rows, columns, 2)
    height = (problem.surface.height(points) - problem.surface.minimum).clamp(min=0)
    return Surface(
        x=x.tolist(),
        y=y.tolist(),
        height=height.tolist(),
        minima=list(problem.surface.minima),
    )
