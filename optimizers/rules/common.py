"""Hyperparameters that several rules share, each with its usual range."""

from optimizers.hyperparameters import Hyperparameter

CROWDED_VALLEY = "Schmidt, Schneider & Hennig 2021 (arXiv:2007.01547), widened"


def learning_rate(default: float, low: float, high: float) -> Hyperparameter:
    """The peak learning rate: the largest value that the schedule reaches."""
    return Hyperparameter(
        "learning_rate",
        default,
        "Peak step size; the schedule multiplies it.",
        low=low,
        high=high,
        scale="log",
        source=CROWDED_VALLEY,
    )


def decay(name: str, default: float, low: float, high: float, meaning: str) -> Hyperparameter:
    """A decay rate of a running mean, in [0, 1), searched by its distance from 1."""
    return Hyperparameter(
        name, default, meaning, low=low, high=high, scale="log1m", below=1.0, source="AlgoPerf"
    )


def fixed(name: str, default: float, meaning: str) -> Hyperparameter:
    """A hyperparameter that stays at its default unless a user sets it."""
    return Hyperparameter(name, default, meaning)
