"""Rules that torch.optim has: the same arithmetic, up to rounding, under the same numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from optimizers.configuration import Configuration
from optimizers.torch_export.optimizer_class import OptimizerClass

H = Mapping[str, float]


def _momentum(h: H) -> dict[str, object]:
    return {"lr": h["learning_rate"], "momentum": h["momentum"]}


def _adam(h: H) -> dict[str, object]:
    return {"lr": h["learning_rate"], "betas": (h["beta1"], h["beta2"]), "eps": h["epsilon"]}


# Left out, as they differ: ASGD (its rate lags a step behind the scheduler's), the centered RMSprop
# (its variance may round below zero, to NaN) and Muon (in bfloat16, for matrices alone).
_NATIVE: dict[str, tuple[str, Callable[[H], dict[str, object]]]] = {
    "sgd": ("SGD", lambda h: {"lr": h["learning_rate"]}),
    "momentum": ("SGD", _momentum),
    "nesterov": ("SGD", lambda h: {**_momentum(h), "nesterov": True}),
    "adagrad": ("Adagrad", lambda h: {"lr": h["learning_rate"], "eps": h["epsilon"]}),
    "rmsprop": (
        "RMSprop",
        lambda h: {
            "lr": h["learning_rate"],
            "alpha": h["alpha"],
            "eps": h["epsilon"],
            "momentum": h["momentum"],
        },
    ),
    "adadelta": (
        "Adadelta",
        lambda h: {"lr": h["learning_rate"], "rho": h["rho"], "eps": h["epsilon"]},
    ),
    "adam": ("Adam", _adam),
    "adamw": ("AdamW", lambda h: {**_adam(h), "weight_decay": h["weight_decay"]}),
    "amsgrad": ("Adam", lambda h: {**_adam(h), "amsgrad": True}),
    "adamax": ("Adamax", _adam),
    "nadam": ("NAdam", lambda h: {**_adam(h), "momentum_decay": h["momentum_decay"]}),
    "radam": ("RAdam", _adam),
    "rprop": (
        "Rprop",
        lambda h: {
            "lr": h["learning_rate"],
            "etas": (h["shrink"], h["grow"]),
            "step_sizes": (h["smallest"], h["largest"]),
        },
    ),
    "adafactor": (
        "Adafactor",
        lambda h: {
            "lr": h["learning_rate"],
            "beta2_decay": -h["decay_power"],
            "eps": (None, h["floor"]),
            "d": h["clip"],
            "weight_decay": h["weight_decay"],
        },
    ),
}

_DECOUPLED = {"AdamW", "Adafactor", "Rprop"}
"""Classes whose ``weight_decay``, if they have one, does not pass through the gradient."""


class _Unmade(torch.optim.Optimizer):
    """What torch.optim's classes end in here: they check their numbers, and nothing is made.

    Making one would import torch's compiler, which takes a second and 70 MB.
    """

    def __init__(self, params: object, defaults: object) -> None:
        self.param_groups = []


def native(configuration: Configuration) -> OptimizerClass | None:
    """The class of torch.optim that is this rule; None if there is none or it refuses a number."""
    if configuration.optimizer not in _NATIVE:
        return None
    name, arguments = _NATIVE[configuration.optimizer]
    given: dict[str, Any] = arguments(configuration.hyperparameters)
    penalises = name not in _DECOUPLED
    if configuration.l2 and penalises:
        given["weight_decay"] = configuration.l2
    try:
        type(name, (getattr(torch.optim, name), _Unmade), {})([], **given)
    except ValueError:
        return None
    return OptimizerClass(f"torch.optim.{name}", given, penalises=penalises)
