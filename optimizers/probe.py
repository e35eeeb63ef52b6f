"""Gradients and curvature of a step's loss at weights other than the trained ones."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from optimizers.errors import InvalidProblem
from optimizers.layout import Layout
from optimizers.problem import Problem, Weights

Batch = tuple[Tensor, Tensor, tuple[Tensor, ...]]
"""Inputs, targets and noise of one step, each (K, ...)."""


@runtime_checkable
class HasLoss(Protocol):
    """A problem that states its loss in differentiable operations, as `ByAutograd` asks for."""

    def loss(
        self, weights: Weights, inputs: Tensor, targets: Tensor, noise: tuple[Tensor, ...]
    ) -> Tensor:
        """Mean training loss of every trial, (K,), differentiable (twice) in the weights."""


class BatchProbe:
    """The loss of one step's batch, for the trials of a slice.

    Args:
        problem: what is trained.
        layout: of a row of weights.
        rows: the slice.
        batch: of the whole stack.
    """

    def __init__(self, problem: Problem, layout: Layout, rows: slice, batch: Batch) -> None:
        self._problem, self._layout = problem, layout
        self._trials = rows.stop - rows.start
        inputs, targets, noise = batch
        self._inputs, self._targets = self._paired(inputs[rows]), self._paired(targets[rows])
        self._noise = tuple(self._paired(part[rows]) for part in noise)

    def gradient(self, weights: Tensor) -> Tensor:
        """The gradient at other weights: (k, P) -> (k, P)."""
        weights = self._paired(weights)
        out = torch.empty_like(weights)
        by_name = self._layout.by_name
        self._problem.gradient(
            by_name(weights), self._inputs, self._targets, self._noise, by_name(out)
        )
        return out[: self._trials]

    def hessian_product(self, weights: Tensor, direction: Tensor) -> Tensor:
        """The Hessian times a direction: (k, P) and (k, P) -> (k, P).

        Raises:
            InvalidProblem: the problem has no differentiable ``loss``.
        """
        problem = self._problem
        if not isinstance(problem, HasLoss):
            raise InvalidProblem(
                "problem",
                type(problem).__name__,
                "one with a differentiable method `loss` where an optimizer uses curvature",
            )
        with torch.enable_grad():
            leaf = self._paired(weights.detach()).contiguous().requires_grad_()
            by_name = self._layout.by_name(leaf)
            losses = problem.loss(by_name, self._inputs, self._targets, self._noise)
            (slope,) = torch.autograd.grad(losses.sum(), leaf, create_graph=True)
            (product,) = torch.autograd.grad(slope, leaf, self._paired(direction))
        return product[: self._trials]

    def _paired(self, rows: Tensor) -> Tensor:
        """The same rows, a lone one twice.

        Products and sums over a single row take other kernels, and round otherwise.
        """
        return rows.expand(2, *rows.shape[1:]) if self._trials == 1 else rows
