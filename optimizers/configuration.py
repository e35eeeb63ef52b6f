"""One configuration: the optimizer, the schedule and the batch that a trial is trained with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from optimizers.errors import InvalidProblem
from optimizers.hyperparameters import complete
from optimizers.registry import find_rule
from optimizers.schedules import find_schedule

Batch = int | Literal["full", "single"]


@dataclass(frozen=True)
class Configuration:
    """What one trial tries. Hyperparameters left out take their defaults.

    Attributes:
        optimizer: name of a rule.
        hyperparameters: the rule's, ``learning_rate`` (the peak) among them.
        schedule: name of a schedule.
        schedule_hyperparameters: the schedule's, ``warmup`` among them.
        batch: samples a step: a number, ``full`` (batch gradient descent: all of them) or
            ``single`` (stochastic gradient descent: one).
        clip_norm: longer gradients, of all weights together, are shortened to this norm; None
            leaves them.
        l2: this share of each weight is added to its gradient, after clipping. Rules with a
            ``weight_decay`` of their own apply theirs besides.

    Raises:
        OptimizerError: an unknown name, or a value outside what its owner allows.
    """

    optimizer: str
    hyperparameters: Mapping[str, float] = field(default_factory=dict)
    schedule: str = "constant"
    schedule_hyperparameters: Mapping[str, float] = field(default_factory=dict)
    batch: Batch = 64
    clip_norm: float | None = None
    l2: float = 0.0

    def __post_init__(self) -> None:
        rule, schedule = find_rule(self.optimizer), find_schedule(self.schedule)
        set_once = object.__setattr__
        set_once(
            self,
            "hyperparameters",
            complete(rule.name, rule.hyperparameters, self.hyperparameters),
        )
        set_once(
            self,
            "schedule_hyperparameters",
            complete(schedule.name, schedule.hyperparameters, self.schedule_hyperparameters),
        )
        number = isinstance(self.batch, int) and not isinstance(self.batch, bool)
        if self.batch not in ("full", "single") and not (number and int(self.batch) >= 1):
            raise InvalidProblem("batch", self.batch, '"full", "single" or a number at least 1')
        if self.clip_norm is not None and not (_is_number(self.clip_norm) and self.clip_norm > 0):
            raise InvalidProblem("clip_norm", self.clip_norm, "None or a finite number above 0")
        if not (_is_number(self.l2) and self.l2 >= 0):
            raise InvalidProblem("l2", self.l2, "a finite number at least 0")

    def batch_size(self, rows: int) -> int:
        """Samples a step when there are so many training rows."""
        if self.batch == "full":
            return rows
        return 1 if self.batch == "single" else min(int(self.batch), rows)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form that users see; `from_dict` reads it. Shaping stands there if there is any."""
        shaping = {"clip_norm": self.clip_norm, "l2": self.l2}
        return {
            "optimizer": {"name": self.optimizer, **self.hyperparameters},
            "schedule": {"name": self.schedule, **self.schedule_hyperparameters},
            "batch": self.batch,
            **{name: value for name, value in shaping.items() if value},
        }

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> "Configuration":
        """The configuration whose `as_dict` is ``form``."""
        optimizer, schedule = dict(form["optimizer"]), dict(form["schedule"])
        return cls(
            optimizer.pop("name"),
            optimizer,
            schedule.pop("name"),
            schedule,
            form["batch"],
            form.get("clip_norm"),
            form.get("l2", 0.0),
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
