"""Studies without training: resolved specs, and results that follow from a configuration."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from optimizers.configuration import Configuration
from optimizers.registry import RULES
from studies.run import STATES, Asked, Told
from studies.space import Space
from studies.spec import GOALS, Goal, StudySpec
from studies.wave import TrialResult, WaveTrial


def resolved(**fields: Any) -> StudySpec:
    """A spec with nothing left open."""
    space = {"batch": [32, 128, "full", "single"]} | fields.pop("space", {})
    usual = {"target": "y", "task": "classification", "metric": "log_loss"}
    return StudySpec.model_validate(usual | {"space": space} | fields)


DROPPED = 1.5  # a score above this is not good enough at a rung


def score(configuration: Configuration) -> float | None:
    """Best at a learning rate of 0.01 without momentum; None, for diverged, where it is large."""
    h = configuration.hyperparameters
    if h["learning_rate"] * (1 + h.get("momentum", 0)) > 0.5:
        return None
    away = abs(math.log10(h["learning_rate"]) + 2)
    return away + 0.3 * h.get("momentum", 0.0) + 0.2 * (configuration.schedule == "constant")


def result(trial: WaveTrial) -> TrialResult:
    """What comes of a trial, by its configuration alone."""
    value = score(trial.configuration)
    curve = {1: 2.0} if value is None else {1: 2.0, 2: value}
    return TrialResult(
        number=trial.number,
        outcome="diverged" if value is None else "completed",
        value=value,
        metrics={"log_loss": curve[len(curve)]},
        curve=curve,
        diverged_at=7 if value is None else None,
        seconds=0.01,
        epochs=2,
        samples=200,
        state_bytes=80 * len(RULES[trial.configuration.optimizer].state),
        rungs={},
        untrained=2.5,
        trouble="blow_up" if value is None else None,
    )


@dataclass(frozen=True)
class Wave:
    """A wave under way that ends when it is asked for its results."""

    trials: list[WaveTrial]

    def result(self) -> list[TrialResult]:
        """What came of it."""
        return [result(trial) for trial in self.trials]


@dataclass
class Cluster:
    """Where waves are sent, and what was sent there."""

    waves: list[list[WaveTrial]] = field(default_factory=list)
    seconds_left: list[float | None] = field(default_factory=list)

    def submit(
        self, spec: StudySpec, trials: list[WaveTrial], wave: int, seconds_left: float | None
    ) -> Wave:
        """Start a wave."""
        self.waves.append(trials)
        self.seconds_left.append(seconds_left)
        return Wave(trials)


def save(stored: list[FrozenTrial], event: Asked | Told) -> None:
    """What whoever drives a study does with its events."""
    if isinstance(event, Asked):
        assert [trial.number for trial in event.trials] == list(
            range(len(stored), len(stored) + len(event.trials))
        )
        stored.extend(event.trials)
    else:
        for trial in event.trials:
            assert not stored[trial.number].state.is_finished()
            stored[trial.number] = trial


def ended(
    space: Space,
    trial: FrozenTrial,
    scored: Callable[[Configuration], float | None] = score,
    goal: Goal = GOALS["log_loss"],
) -> FrozenTrial:
    """The trial after its training, as whoever trained it tells it."""
    loss = scored(space.configuration(trial.params))
    attributes: dict[str, Any] = {}
    outcome = "diverged" if loss is None else "completed"
    value = 1 - loss if loss is not None and goal.maximized else loss
    if loss is not None and loss > DROPPED:
        outcome = "dropped"
        attributes = {"dropped_at": 3, "metrics": {goal.name: value}}
    done = optuna.trial.create_trial(
        state=STATES[outcome],
        value=value if outcome == "completed" else None,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs | attributes,
        system_attrs=trial.system_attrs,
        intermediate_values={1: 2.0 + trial.number % 3},
    )
    done.number = trial.number
    return done


def told(trials: Iterable[FrozenTrial]) -> list[tuple[Any, ...]]:
    """What must be the same in two runs of a study."""
    return [(t.number, t.state, t.params, t.values, t.intermediate_values) for t in trials]
