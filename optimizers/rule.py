"""What an update rule is: pure functions over a slice of a stack, and the data that describe it.

A rule never sees a scalar hyperparameter. `coefficients` turns the hyperparameters of its k trials
into tables over many coming steps, in float64; `update` reads one row of those tables a step. So no
trial costs Python work of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal, Protocol

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.layout import Layout

Columns = Mapping[str, Tensor]
"""Hyperparameters of k trials by name: float64, (1, k); ``learning_rate``: (steps, k)."""

Coefficients = dict[str, Tensor]
"""What `update` multiplies by, by name: float64, (steps, k) or (1, k)."""

State = dict[str, Tensor]
"""A rule's memory by name: each (k, ...), usually (k, P) with P the weights of one trial."""

Update = Callable[[Tensor, Tensor, State, SimpleNamespace], None]
"""``update(weights, gradient, state, c)``: in place; weights and gradient (k, P).

``c`` holds one step's coefficients as attributes, each (k, 1), the step's number (the same for
all trials, counted from 1) as ``c.step``, the stack's `Layout` as ``c.layout`` and, for a rule
that asks for it, a `Probe` as ``c.probe``. The gradient may be overwritten.
"""

Stacking = Literal["elementwise", "reduction", "matrix", "wrapper"]
"""What a rule does beyond arithmetic on each number: nothing; sums over a trial's tensors;
products of its matrices; more gradients than one a step, or a rule inside."""


class Probe(Protocol):
    """What the loss does elsewhere, on the batch of this step, for the trials of a slice."""

    def gradient(self, weights: Tensor) -> Tensor:
        """The gradient at other weights: (k, P) -> (k, P)."""

    def hessian_product(self, weights: Tensor, direction: Tensor) -> Tensor:
        """The Hessian times a direction: (k, P) and (k, P) -> (k, P)."""


@dataclass(frozen=True)
class Rule:
    """One optimizer, by the name that users give it.

    Attributes:
        name: as users write it.
        summary: what it does, in at most two sentences.
        formula: one step in plain notation.
        reference: author, year and title or arXiv number.
        hyperparameters: the first is always ``learning_rate``.
        state: names of its buffers; zeros of (k, P) unless `start` makes them.
        coefficients: ``(t, columns) -> tables``; t is float64 (steps, 1), counted from 1.
            Besides the hyperparameters, columns hold ``total_steps``, (1, k).
        update: one step, in place.
        stacking: what it needs beyond arithmetic on each number.
        start: ``(weights, layout) -> state`` before the first step.
        evaluation_point: ``(weights, state, c) -> weights`` to judge, where they are not the
            ones it trains (averaging rules).
        probes: whether it needs ``c.probe``; each probe costs as much as a gradient or more.
        batches: the batch kind it is made for; None for any.
    """

    name: str
    summary: str
    formula: str
    reference: str
    hyperparameters: tuple[Hyperparameter, ...]
    state: tuple[str, ...]
    coefficients: Callable[[Tensor, Columns], Coefficients]
    update: Update
    stacking: Stacking = "elementwise"
    start: Callable[[Tensor, Layout], State] | None = None
    evaluation_point: Callable[[Tensor, State, SimpleNamespace], Tensor] | None = None
    probes: bool = False
    batches: Literal["full"] | None = None

    def initial_state(self, weights: Tensor, layout: Layout) -> State:
        """Its memory before the first step, for weights (k, P)."""
        if self.start is not None:
            return self.start(weights, layout)
        return {name: torch.zeros_like(weights) for name in self.state}


def power(base: Tensor, exponent: Tensor) -> Tensor:
    """``base ** exponent`` for bases at least 0, each entry the same bits in any table.

    `torch.pow` rounds an entry by its place among the others; exp and log do not.
    """
    return torch.xlogy(exponent, base).exp()


def square_root(numbers: Tensor, out: Tensor | None = None, times: Tensor | None = None) -> Tensor:
    """The square root of numbers at least 0, but for the last digit, times a factor at least 0.

    On CPUs torch's square root is its slowest simple kernel: its inverse and one over that take
    half the time, and a factor costs nothing.
    """
    if numbers.device.type == "cpu":
        inverse = torch.rsqrt(numbers, out=out)
        return inverse.reciprocal_() if times is None else torch.div(times, inverse, out=inverse)
    root = torch.sqrt(numbers, out=out)
    return root if times is None else root.mul_(times)


def per_rate(rate: Tensor) -> Tensor:
    """One over a rate, for rules that divide by it: a rate of 0 is a step too small to matter."""
    return 1 / rate.clamp(min=1e-30)
