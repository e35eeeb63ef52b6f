"""Hyperparameters that several rules share, each with its usual range."""

from optimizers.hyperparameters import Hyperparameter

CROWDED_VALLEY = "Schmidt, Schneider & Hennig 2021 (arXiv:2007.01547), widened"


def learning_rate(
    default: float, low: float, high: float, source: str = CROWDED_VALLEY
) -> Hyperparameter:
    """The peak learning rate: the largest value that the schedule reaches."""
    return Hyperparameter(
        "learning_rate",
        default,
        "Peak step size; the schedule multiplies it.",
        low=low,
        high=high,
        scale="log",
        source=source,
    )


def decay(
    name: str, default: float, low: float, high: float, meaning: str, source: str = "AlgoPerf"
) -> Hyperparameter:
    """A decay rate of a running mean, in [0, 1), searched by its distance from 1."""
    return Hyperparameter(
        name, default, meaning, low=low, high=high, scale="log1m", below=1.0, source=source
    )


def fixed(name: str, default: float, meaning: str) -> Hyperparameter:
    """A hyperparameter that stays at its default unless a user sets it."""
    return Hyperparameter(name, default, meaning)


BETA1 = decay("beta1", 0.9, 0.5, 0.98, "Share of the mean gradient kept at each step.")
BETA2 = decay("beta2", 0.999, 0.9, 0.9999, "Share of the mean squared gradient kept.")
EPSILON = fixed("epsilon", 1e-8, "Keeps the division finite.")
WEIGHT_DECAY = Hyperparameter(
    "weight_decay",
    0.01,
    "Share of each weight lost a step, times the learning rate.",
    low=1e-3,
    high=1.0,
    scale="log",
    source="AlgoPerf, widened",
)
