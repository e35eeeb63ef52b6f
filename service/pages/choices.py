"""A form's fields as the spec of a job: what differs from the defaults, and nothing else.

A field is called as in the spec, with dots: ``budget.trials``. One that is left blank is left out.
What cannot be a number stays as it was typed, so that the API says what it should be.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, get_args

from starlette.datastructures import ImmutableMultiDict

from optimizers.registry import RULES
from optimizers.schedules import SCHEDULES
from studies.spec import (
    BudgetSpec,
    ConfirmationSpec,
    ModelSpec,
    RungsSpec,
    SpaceSpec,
    SplitSpec,
    Strict,
    StudySpec,
    Task,
)

Json = dict[str, Any]
Fields = ImmutableMultiDict[str, str]


@dataclass(frozen=True)
class Allowance:
    """How long a study may take, and what to plan for that time.

    Attributes:
        title: as people say it.
        seconds: after which it ends.
        trials: that fit into them on a small table.
        epochs: of each.
    """

    title: str
    seconds: int
    trials: int
    epochs: int


ALLOWANCES: dict[str, Allowance] = {
    "minute": Allowance("A minute", 60, 200, 20),
    "minutes": Allowance("Five minutes", 300, 800, 40),
    "half-hour": Allowance("Half an hour", 1800, 3000, 80),
}
OWN = "own"  # neither one of these, nor a list that has a name

COLUMN = "columns."  # and the column's name
TEXTS = frozenset({"name", "target", "split.column"})
LISTS = frozenset({"model.hidden", "model.channels", "space.batch"})
NAMED_LISTS: dict[str, Sequence[str]] = {
    "space.optimizers": list(RULES),
    "space.schedules": list(SCHEDULES),
}
SWITCHES = {"true": True, "false": False}
SECTIONS: dict[str, type[Strict]] = {
    "": StudySpec,
    "split": SplitSpec,
    "model": ModelSpec,
    "space": SpaceSpec,
    "budget": BudgetSpec,
    "rungs": RungsSpec,
    "confirmation": ConfirmationSpec,
}
PLAIN = (
    *("name", "target", "task", "question", "metric", "class_weight"),
    *("split.kind", "split.column", "split.feature"),
    *(f"model.{name}" for name in ModelSpec.model_fields),
    *("space.optimizers", "space.learning_rate.low", "space.learning_rate.high"),
    *("space.schedules", "space.batch"),
    *(f"budget.{name}" for name in BudgetSpec.model_fields),
    *(f"rungs.{name}" for name in RungsSpec.model_fields),
    *("confirmation.seeds", "sampler", "transfer", "seed"),
)
DEFAULTS = StudySpec().model_dump(mode="json")
STATED = frozenset({"model.kind"})  # images and texts decide it where it is left out


def time_of(fields: Fields) -> str:
    """Which of the allowances is chosen, or that it is one's own."""
    budget = any(name.startswith("budget.") and value for name, value in fields.items())
    return fields.get("time") or (OWN if budget else next(iter(ALLOWANCES)))


def spec_of(dataset: str, fields: Fields, target: str) -> Json:
    """The spec that a form asks for.

    Args:
        dataset: the id of what it is about.
        fields: of the form.
        target: the column that is predicted if none is chosen.
    """
    given = {name: _value(name, fields) for name in PLAIN if fields.get(name, "").strip()}
    if allowance := ALLOWANCES.get(time_of(fields)):
        given |= {
            "budget.seconds": allowance.seconds,
            "budget.trials": allowance.trials,
            "budget.epochs": allowance.epochs,
        }
    if given.get("target") == target:
        del given["target"]
    spec: Json = {"dataset": dataset}
    for name, value in given.items():
        if name in STATED or value != _default(name):
            _put(spec, name, value)
    kinds = {
        name.removeprefix(COLUMN): kind
        for name, kind in fields.items()
        if name.startswith(COLUMN) and kind
    }
    if kinds:
        spec["columns"] = kinds
    return _without_idle(spec)


def told(name: str) -> str:
    """What the spec says of a field."""
    section, _, field = name.rpartition(".")
    return SECTIONS[section].model_fields[field].description or ""


def options(name: str) -> Sequence[str]:
    """What a field may be, of those that are one of a few words."""
    if name == "task":
        return get_args(Task)
    section, _, field = name.rpartition(".")
    return get_args(SECTIONS[section].model_fields[field].annotation)


def _without_idle(spec: Json) -> Json:
    """Fields that do nothing without another are left out: a factor alone would switch rungs on."""
    if "rule" not in spec.get("rungs", {}):
        spec.pop("rungs", None)
    split = spec.get("split", {})
    if "kind" not in split:
        spec.pop("split", None)
    elif split["kind"] not in {"grouped", "time"}:
        spec["split"] = {"kind": split["kind"]}
    return spec


def _value(name: str, fields: Fields) -> Any:
    text = fields[name].strip()
    if name in NAMED_LISTS and text == OWN:
        return fields.getlist(f"{name}.{OWN}")
    if name in TEXTS:
        return fields[name]
    if name in LISTS:
        return [_number(each) for each in re.split(r"[\s,;]+", text) if each]
    return SWITCHES.get(text, _number(text))


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if isfinite(value) else text
    return text


def _default(name: str) -> Any:
    value: Any = DEFAULTS
    for part in name.split("."):
        value = (value or {}).get(part)
    return value


def _put(spec: Json, name: str, value: Any) -> None:
    *sections, field = name.split(".")
    for section in sections:
        spec = spec.setdefault(section, {})
    spec[field] = value
