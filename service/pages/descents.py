"""Descents of landscapes that a visitor asks for: all paths of a request are one stack."""

import asyncio
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import Annotated, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from optimizers.configuration import Batch, Configuration
from optimizers.errors import UnknownName
from optimizers.models.landscapes import LANDSCAPES, Landscape
from optimizers.registry import find_rule
from optimizers.schedules import SCHEDULES
from optimizers.stack import Outcome
from optimizers.training import train
from service.errors import Unavailable

MOST_PATHS, MOST_STEPS = 8, 500
LOWEST_RATE, HIGHEST_RATE = 1e-6, 100.0
RATES = tuple(10 ** (power / 5) for power in range(-20, 6))
"""Of which the best is found where a path names none: 10⁻⁴ to 10, five in each power of ten."""

SCHEDULE_NAMES = tuple(name for name, schedule in SCHEDULES.items() if not schedule.watches)
"""Those that need no validation loss, of which a landscape has none."""

SECONDS = 5.0  # after which a descent is given up; the longest takes a tenth on an idle machine
WAITING = 16  # who wait for their turn; more are told to come again
GRID = 121  # points a side


class Path(NamedTuple):
    """How one path goes down.

    Attributes:
        optimizer: name of its rule.
        rate: learning rate; None for the best of `RATES`.
        schedule: name of its schedule.
    """

    optimizer: str
    rate: float | None
    schedule: str

    def configuration(self, rate: float, batch: Batch) -> Configuration:
        """What the engine trains."""
        return Configuration(self.optimizer, {"learning_rate": rate}, self.schedule, batch=batch)


class Asked(BaseModel):
    """What to run, as it stands in a query.

    Attributes:
        landscape: which.
        path: each ``optimizer:rate:schedule``, the last two optional.
        steps: of every path.
        x: where all of them begin; None for the customary start.
        y: likewise.
        noise: standard deviation of what is added to the slopes at each step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    landscape: str = "rosenbrock"
    path: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_PATHS)] = (
        "sgd:0.002",
        "momentum:0.001",
        "adam:0.4",
    )
    steps: int = Field(default=200, ge=1, le=MOST_STEPS)
    x: float | None = None
    y: float | None = None
    noise: float = Field(default=0.0, ge=0.0, le=100.0)

    @field_validator("landscape")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in LANDSCAPES:
            raise UnknownName("landscape", name, LANDSCAPES)
        return name

    @field_validator("path")
    @classmethod
    def _are_paths(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            parse(text)
        return texts

    @field_validator("x", "y")
    @classmethod
    def _is_on_the_map(cls, place: float | None, info: ValidationInfo) -> float | None:
        landscape = info.data.get("landscape")  # missing if it is not known
        if place is not None and landscape is not None:
            low, high = LANDSCAPES[landscape].domain["xy".index(str(info.field_name))]
            if not low <= place <= high:
                raise ValueError(f"must be from {low:g} to {high:g} on {landscape}")
        return place

    @property
    def paths(self) -> list[Path]:
        """One a runner."""
        return [parse(text) for text in self.path]

    @property
    def start(self) -> tuple[float, float]:
        """Where all of them begin."""
        x, y = LANDSCAPES[self.landscape].start
        return (x if self.x is None else self.x, y if self.y is None else self.y)


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
        diverged_at: the step at which it left, a hundred times as high as the start or nowhere.
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
        start: where descents customarily begin.
    """

    x: list[float]
    y: list[float]
    height: list[list[float]]
    minima: list[tuple[float, float]]
    start: tuple[float, float]


def parse(text: str) -> Path:
    """A path from ``optimizer:rate:schedule``.

    Raises:
        UnknownName: there is no such optimizer or schedule.
        ValueError: too many parts, or a rate that is none.
    """
    optimizer, rate, schedule, *more = [*text.split(":"), "", ""]
    if any(more):
        raise ValueError("must be optimizer:rate:schedule, such as adam:0.1:cosine")
    find_rule(optimizer)
    schedule = schedule or "constant"
    if schedule not in SCHEDULE_NAMES:
        raise UnknownName("schedule", schedule, SCHEDULE_NAMES)
    return Path(optimizer, _rate(rate) if rate else None, schedule)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(f"a rate must be a number from {LOWEST_RATE:g} to {HIGHEST_RATE:g}")
    return rate


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
    trials = [
        path.configuration(rate, "full") for path, rate in zip(asked.paths, rates, strict=True)
    ]
    outcomes = _train(asked, trials, steps_an_epoch=1)
    return Descents(
        landscape=asked.landscape,
        start=asked.start,
        steps=asked.steps,
        noise=asked.noise,
        paths=[
            _descent(path, rate, outcome)
            for path, rate, outcome in zip(asked.paths, rates, outcomes, strict=True)
        ],
    )


def _rates(asked: Asked) -> list[float]:
    """The rate of each path: as given, or that which ends lowest."""
    open_paths = [path for path in asked.paths if path.rate is None]
    # One epoch of all steps: judged at its end alone, which is eight times as quick.
    trials = [path.configuration(rate, "single") for path in open_paths for rate in RATES]
    outcomes = iter(_train(asked, trials, steps_an_epoch=asked.steps) if trials else [])
    found = []
    for path in asked.paths:
        if path.rate is None:
            ends = {rate: _end(next(outcomes)) for rate in RATES}
            found.append(min(RATES, key=ends.__getitem__))
        else:
            found.append(path.rate)
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
        [outcome.untrained[name], *outcome.metrics.get(name, [])]
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
        start=problem.surface.start,
    )
