"""A study's trials as a table: one row a trial, one column for all that may be asked of it."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from optuna.trial import FrozenTrial

from optimizers.hyperparameters import Hyperparameter
from optimizers.registry import RULES
from optimizers.schedules import SCHEDULES
from studies.report import view
from studies.space import Space
from studies.spec import METRICS, StudySpec


class TrialTable:
    """The columns of a study's trials, which follow from its spec alone, and their rows.

    A hyperparameter has one column whichever optimizer or schedule it belongs to, named as it
    stands in a configuration: ``optimizer.learning_rate``, ``schedule.warmup``. It is empty in
    trials that have none of its name.

    Args:
        spec: resolved.

    Attributes:
        schema: names and types of the columns.
    """

    def __init__(self, spec: StudySpec) -> None:
        # What others measure has names of theirs, which might be those of other columns.
        self._metrics = ("loss", *METRICS[spec.task]) if spec.task else ()
        self._space, self._seed = Space(spec), spec.seed
        rules = (RULES[name].hyperparameters for name in self._space.optimizers)
        schedules = (SCHEDULES[name].hyperparameters for name in self._space.schedules)
        self.schema = pa.schema(
            [
                ("number", pa.int64()),
                ("wave", pa.int64()),
                ("seed", pa.int64()),
                ("origin", pa.string()),
                ("outcome", pa.string()),
                ("value", pa.float64()),
                *((name, pa.float64()) for name in self._metrics),
                ("optimizer", pa.string()),
                *((f"optimizer.{name}", pa.float64()) for name in _names(rules)),
                ("schedule", pa.string()),
                *((f"schedule.{name}", pa.float64()) for name in _names(schedules)),
                ("batch", pa.string()),  # a number, "full" or "single"
                ("epochs", pa.int64()),
                ("seconds", pa.float64()),
                ("dropped_at", pa.int64()),
                ("diverged_at", pa.int64()),
                ("trouble", pa.string()),
            ]
        )

    def rows(self, trials: Iterable[FrozenTrial]) -> pa.RecordBatch:
        """The rows of some trials, in their order."""
        return pa.RecordBatch.from_pylist([self._row(t) for t in trials], schema=self.schema)

    def _row(self, trial: FrozenTrial) -> dict[str, Any]:
        seen = view(trial, self._space)
        config = seen.config
        return {
            **seen.model_dump(include=set(self.schema.names)),
            "wave": trial.user_attrs["wave"],
            "seed": self._seed,
            **{name: seen.metrics.get(name) for name in self._metrics},
            **_part("optimizer", config["optimizer"]),
            **_part("schedule", config["schedule"]),
            "batch": str(config["batch"]),
        }


def _names(declared: Iterable[Sequence[Hyperparameter]]) -> list[str]:
    """Every name once, in the order in which they come."""
    return list(dict.fromkeys(h.name for each in declared for h in each))


def _part(name: str, part: dict[str, Any]) -> dict[str, Any]:
    """A part of a configuration by column."""
    return {name if key == "name" else f"{name}.{key}": value for key, value in part.items()}
