"""What an update rule is: pure functions over a slice of a stack, and the data that describe it.

A rule never sees a scalar hyperparameter. Before an epoch, `coefficients` turns the
hyperparameters of its k trials into tables over the epoch's steps, in float64; during the
epoch, `update` reads one row of those tables a step. So no trial costs Python work of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter

Columns = Mapping[str, Tensor]
"""Hyperparameters of k trials by name: float64, (1, k); ``learning_rate``: (steps, k)."""

Coefficients = dict[str, Tensor]
"""What `update` multiplies by, by name: float64, (steps, k) or (1, k)."""

State = dict[str, Tensor]
"""A rule's memory by name: each (k, weights of one trial)."""

Update = Callable[[Tensor, Tensor, State, SimpleNamespace], None]
"""``update(weights, gradient, state, c)``: in place; each tensor (k, weights of one trial).

``c`` holds one step's coefficients as attributes, each (k, 1). The gradient may be overwritten.
"""


@dataclass(frozen=True)
class Rule:
    """One optimizer, by the name that users give it.

    Attributes:
        name: as users write it.
        summary: what it does, in at most two sentences.
        formula: one step in plain notation.
        reference: author, year and title or arXiv number.
        hyperparameters: the first is always ``learning_rate``.
        state: names of its buffers, one number per weight each, zero at the start.
        coefficients: ``(t, columns) -> tables``; t is float64 (steps, 1), counted from 1.
        update: one step, in place.
    """

    name: str
    summary: str
    formula: str
    reference: str
    hyperparameters: tuple[Hyperparameter, ...]
    state: tuple[str, ...]
    coefficients: Callable[[Tensor, Columns], Coefficients]
    update: Update


def power(base: Tensor, exponent: Tensor) -> Tensor:
    """``base ** exponent`` for bases at least 0, each entry the same bits in any table.

    `torch.pow` rounds an entry by its place among the others; exp and log do not.
    """
    return torch.xlogy(exponent, base).exp()
