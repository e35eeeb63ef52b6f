"""Trials of every rule under every schedule, as one study would ask for them together."""

from collections.abc import Iterable, Mapping
from itertools import cycle

from optimizers.configuration import Batch, Configuration
from optimizers.registry import RULES
from tests.optimizers.drive import spread

SCHEDULES: dict[str, Mapping[str, float]] = {
    "constant": {"warmup": 0.25},
    "linear": {"final": 0.05, "warmup": 0.0},
    "step": {"gamma": 0.3, "drops": 2, "warmup": 0.0},
    "exponential": {"final": 0.1, "warmup": 0.25},
    "cosine": {"final": 0.02, "warmup": 0.17},
    "plateau": {"gamma": 0.5, "patience": 0, "threshold": 0.1, "warmup": 0.25},
    "multi_step": {"gamma": 0.4, "first": 0.25, "second": 0.5, "third": 0.75},
    "inverse_time": {"decay": 5.0, "power": 0.75, "warmup": 0.1},
    "inverse_sqrt": {"timescale": 0.25, "warmup": 0.25},
    "polynomial": {"power": 2.0, "final": 0.1, "until": 0.75},
    "rex": {"final": 0.01, "warmup": 0.17},
    "warmup_stable_decay": {"cooldown": 0.5, "power": 0.5},
    "cosine_restarts": {"cycles": 2, "growth": 2, "final": 0.05},
    "one_cycle": {"rise": 0.5, "start": 0.1, "final": 0.01},
    "slanted_triangular": {"rise": 0.25, "start": 0.1},
    "cyclic": {"base": 0.2, "cycles": 2, "gamma": 0.5, "warmup": 0.34},
}


def mixed(batch: Batch, names: Iterable[str] = tuple(RULES)) -> list[Configuration]:
    """Two trials of each rule, the rules taking turns; all hyperparameters differ."""
    by_rule = [[(name, h) for h in spread(RULES[name], 2)] for name in names]
    turns = [pair for turn in zip(*by_rule, strict=True) for pair in turn]
    return [
        Configuration(name, h, schedule, schedule_h, batch)
        for (name, h), (schedule, schedule_h) in zip(turns, cycle(SCHEDULES.items()), strict=False)
    ]
