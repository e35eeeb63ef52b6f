"""What a visitor of the playground asks for, checked."""

import math
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from optimizers.configuration import Batch, Configuration
from optimizers.errors import UnknownName
from optimizers.models.landscapes import LANDSCAPES
from optimizers.registry import find_rule
from optimizers.schedules import SCHEDULES

MOST_PATHS, MOST_STEPS = 8, 500
LOWEST_RATE, HIGHEST_RATE = 1e-6, 100.0

SCHEDULE_NAMES = tuple(name for name, schedule in SCHEDULES.items() if not schedule.watches)
"""Those that need no validation loss, of which a landscape has none."""


class Path(NamedTuple):
    """How one path goes down.

    Attributes:
        optimizer: name of its rule.
        rate: learning rate; None for the best of many.
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
