"""The search space: which configurations a study may try, and how Optuna sees them.

The space is conditional: the optimizer decides which hyperparameters exist, and so does the
schedule; an optimizer made for one kind of batch leaves no choice of batch. Optuna's names say
whose they are (``adam.learning_rate``, ``cosine.final``). A rate that matters by its distance
from 1 is searched as that distance (``adam.1-beta1``).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optimizers.configuration import Batch, Configuration
from optimizers.hyperparameters import Hyperparameter
from optimizers.registry import CLASSIC, RULES
from optimizers.schedules import CLASSIC as CLASSIC_SCHEDULES
from optimizers.schedules import SCHEDULES, WARMUP
from studies.errors import SpecError, unknown
from studies.spec import StudySpec

Searched = tuple[Hyperparameter, str, FloatDistribution | IntDistribution]
"""A hyperparameter with Optuna's name and range."""


class Space:
    """The configurations that a resolved spec allows.

    Raises:
        SpecError: an unknown optimizer or schedule, or one named twice.
    """

    def __init__(self, spec: StudySpec) -> None:
        space = spec.space
        rules = {"all": list(RULES), "classic": list(CLASSIC)}
        self.optimizers: list[str] = (
            rules[space.optimizers] if isinstance(space.optimizers, str) else space.optimizers
        )
        schedules = {"all": list(SCHEDULES), "classic": list(CLASSIC_SCHEDULES)}
        self.schedules: list[str] = (
            schedules[space.schedules] if isinstance(space.schedules, str) else space.schedules
        )
        if not space.batch:
            raise SpecError("space.batch is open", field="space.batch", allowed="a resolved spec")
        self.batches: list[Batch] = list(space.batch)
        self._rate = space.learning_rate
        _check_names("space.optimizers", self.optimizers, list(RULES))
        _check_names("space.schedules", self.schedules, list(SCHEDULES))
        _check_names("space.batch", self.batches, self.batches)
        # Made once: every trial of a study has the same ones.
        self._choices = {
            "optimizer": CategoricalDistribution(self.optimizers),
            "schedule": CategoricalDistribution(self.schedules),
            "batch": CategoricalDistribution(self.batches),
        }
        self._searched: dict[str, tuple[Searched, ...]] = {}

    def suggest(self, trial: optuna.trial.BaseTrial) -> Configuration:
        """Ask Optuna for one configuration."""
        optimizer = str(trial.suggest_categorical("optimizer", self.optimizers))
        for _, name, d in self.searched(optimizer, RULES[optimizer].hyperparameters):
            _suggest(trial, name, d)
        schedule = str(trial.suggest_categorical("schedule", self.schedules))
        for _, name, d in self.searched(schedule, SCHEDULES[schedule].hyperparameters):
            _suggest(trial, name, d)
        if RULES[optimizer].batches is None:
            trial.suggest_categorical("batch", self.batches)
        return self.configuration(trial.params)

    def configuration(self, params: Mapping[str, Any]) -> Configuration:
        """The configuration that these stored Optuna parameters stand for."""
        rule, schedule = RULES[params["optimizer"]], SCHEDULES[params["schedule"]]

        def of(owner: str, declared: Sequence[Hyperparameter]) -> dict[str, float]:
            return {
                h.name: _value(h, params[name]) for h, name, _ in self.searched(owner, declared)
            }

        return Configuration(
            params["optimizer"],
            of(params["optimizer"], rule.hyperparameters),
            params["schedule"],
            of(params["schedule"], schedule.hyperparameters),
            rule.batches or params["batch"],
        )

    def defaults(self) -> list[Configuration]:
        """Every optimizer's documented default, then each form of gradient descent.

        Learning rates outside a range that the user gave move to its nearest end.
        """
        schedule = "constant" if "constant" in self.schedules else self.schedules[0]
        sized = [batch for batch in self.batches if isinstance(batch, int)]
        usual = sized[0] if sized else self.batches[0]
        forms = [batch for batch in self.batches if isinstance(batch, str) and batch != usual]
        plain = "sgd" if "sgd" in self.optimizers else self.optimizers[0]
        pairs = [(name, usual) for name in self.optimizers] + [(plain, form) for form in forms]
        return [self._default(optimizer, schedule, batch) for optimizer, batch in pairs]

    def params(self, configuration: Configuration) -> dict[str, Any]:
        """How Optuna stores a configuration: the searched values, by Optuna's names."""
        params: dict[str, Any] = {
            "optimizer": configuration.optimizer,
            "schedule": configuration.schedule,
        }
        if RULES[configuration.optimizer].batches is None:
            params["batch"] = configuration.batch
        for owner, declared, values in (
            (
                configuration.optimizer,
                RULES[configuration.optimizer].hyperparameters,
                configuration.hyperparameters,
            ),
            (
                configuration.schedule,
                SCHEDULES[configuration.schedule].hyperparameters,
                configuration.schedule_hyperparameters,
            ),
        ):
            for h, name, _ in self.searched(owner, declared):
                params[name] = _value(h, values[h.name])
        return params

    def contains(self, params: Mapping[str, Any]) -> bool:
        """Whether stored Optuna parameters, perhaps of another study, are of this space."""
        if (
            params.get("optimizer") not in self.optimizers
            or params.get("schedule") not in self.schedules
        ):
            return False
        ranges = self.distributions(params)
        return params.keys() == ranges.keys() and all(
            _holds(d, params[name]) for name, d in ranges.items()
        )

    def distributions(self, params: Mapping[str, Any]) -> dict[str, BaseDistribution]:
        """The range of every one of these parameters."""
        found: dict[str, BaseDistribution] = dict(self._choices)
        if RULES[params["optimizer"]].batches is not None:
            del found["batch"]
        owners = (
            (params["optimizer"], RULES[params["optimizer"]].hyperparameters),
            (params["schedule"], SCHEDULES[params["schedule"]].hyperparameters),
        )
        for owner, declared in owners:
            found |= {name: d for _, name, d in self.searched(owner, declared)}
        return found

    def _default(self, optimizer: str, schedule: str, batch: Batch) -> Configuration:
        def clamped(owner: str, declared: Sequence[Hyperparameter]) -> dict[str, float]:
            return {
                h.name: _value(h, min(max(_value(h, h.default), d.low), d.high))
                for h, _, d in self.searched(owner, declared)
            }

        return Configuration(
            optimizer,
            clamped(optimizer, RULES[optimizer].hyperparameters),
            schedule,
            clamped(schedule, SCHEDULES[schedule].hyperparameters),
            RULES[optimizer].batches or batch,
        )

    def searched(self, owner: str, declared: Sequence[Hyperparameter]) -> Sequence[Searched]:
        """The searched hyperparameters with Optuna's name and range for each."""
        if owner not in self._searched:
            self._searched[owner] = tuple(self._ranges(owner, declared))
        return self._searched[owner]

    def _ranges(self, owner: str, declared: Sequence[Hyperparameter]) -> Iterator[Searched]:
        for h in declared:
            if h.low is None or h.high is None:
                continue
            low, high = h.low, h.high
            if h.name == "learning_rate" and self._rate:
                low, high = self._rate.low, self._rate.high
            if h.scale == "log1m":
                yield h, f"{owner}.1-{h.name}", FloatDistribution(1 - high, 1 - low, log=True)
                continue
            # Warm-up means the same before every schedule: one parameter for all.
            name = h.name if h is WARMUP else f"{owner}.{h.name}"
            if h.whole:
                yield h, name, IntDistribution(int(low), int(high), log=h.scale == "log")
            else:
                yield h, name, FloatDistribution(low, high, log=h.scale == "log")


def contests(spec: StudySpec) -> list[StudySpec]:
    """A spec of each optimizer alone if they are compared, else the spec itself.

    One sampler for all would give the early leader most of the trials, and nobody could tell
    whether the others lost to it or to their budget.
    """
    if spec.question == "search":
        return [spec]
    return [
        spec.model_copy(update={"space": spec.space.model_copy(update={"optimizers": [name]})})
        for name in Space(spec).optimizers
    ]


def _suggest(
    trial: optuna.trial.BaseTrial, name: str, d: FloatDistribution | IntDistribution
) -> None:
    if isinstance(d, IntDistribution):
        trial.suggest_int(name, d.low, d.high, log=d.log)
    else:
        trial.suggest_float(name, d.low, d.high, log=d.log)


def _holds(d: BaseDistribution, value: Any) -> bool:
    if isinstance(d, CategoricalDistribution):
        return value in d.choices
    return isinstance(d, FloatDistribution | IntDistribution) and d.low <= value <= d.high


def _value(h: Hyperparameter, x: float) -> float:
    """Between a hyperparameter and the number Optuna searches; its own inverse."""
    return 1 - x if h.scale == "log1m" else x


def _check_names(field: str, given: Sequence[Any], allowed: Sequence[Any]) -> None:
    for name in given:
        if name not in allowed:
            raise unknown(field, name, list(allowed))
        if list(given).count(name) > 1:
            raise SpecError(
                f"{field} names {name!r} more than once.",
                field=field,
                value=name,
                allowed="each name once",
            )
