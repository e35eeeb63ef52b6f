"""Trials of every rule under every schedule, as one study would ask for them together."""

from collections.abc import Iterable, Mapping
from itertools import cycle

from optimizers.configuration import Batch, Configuration
from optimizers.registry import RULES
from tests.optimizers.drive import spread

SCHEDULES: dict[str, Mapping[str, float]] = {
    "constant": {"warmup": 0.25},
    "linear": {"final": 0.05, "warmup": 0.0},
    "step": {"gamma": 0.3, "drops": 2.0, "warmup": 0.0},
    "exponential": {"final": 0.1, "warmup": 0.25},
    "cosine": {"final": 0.02, "warmup": 0.17},
}


def mixed(batch: Batch, names: Iterable[str] = tuple(RULES)) -> list[Configuration]:
    """Two trials of each rule, the rules taking turns; all hyperparameters differ."""
    by_rule = [[(name, h) for h in spread(RULES[name], 2)] for name in names]
    turns = [pair for turn in zip(*by_rule, strict=True) for pair in turn]
    return [
        Configuration(name, h, schedule, schedule_h, batch)
        for (name, h), (schedule, schedule_h) in zip(turns, cycle(SCHEDULES.items()), strict=False)
    ]
