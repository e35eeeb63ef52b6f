"""A model's weights as one row of numbers, for rules that are written for rows."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


def to_row(tensors: Iterable[Tensor]) -> Tensor:
    """All numbers of some tensors side by side: (1, P)."""
    return torch.cat([tensor.flatten() for tensor in tensors]).unsqueeze(0)


def from_row(row: Tensor, tensors: Sequence[Tensor]) -> None:
    """Put a row's numbers back where they came from."""
    parts = torch.split(row[0], [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


class BatchLoss:
    """The loss of one batch, wherever the model's weights are.

    Args:
        parameters: of the model.
        closure: computes the loss anew.
    """

    def __init__(self, parameters: Sequence[Tensor], closure: Callable[[], Tensor]) -> None:
        self.parameters, self.closure = parameters, closure

    def gradient(self, weights: Tensor) -> Tensor:
        """The gradient at other weights: (1, P) -> (1, P)."""
        with self._at(weights):
            slopes = torch.autograd.grad(self.closure(), self.parameters, materialize_grads=True)
        return to_row(slopes)

    def hessian_product(self, weights: Tensor, direction: Tensor) -> Tensor:
        """The Hessian times a direction: (1, P) and (1, P) -> (1, P)."""
        with self._at(weights):
            slopes = torch.autograd.grad(
                self.closure(), self.parameters, create_graph=True, materialize_grads=True
            )
            products = torch.autograd.grad(
                to_row(slopes), self.parameters, direction, materialize_grads=True
            )
        return to_row(products)

    @contextmanager
    def _at(self, weights: Tensor) -> Iterator[None]:
        """The model at other weights for a while."""
        here = to_row(self.parameters)
        from_row(weights, self.parameters)
        try:
            with torch.enable_grad():
                yield
        finally:
            from_row(here, self.parameters)


class ShapedBatchLoss(BatchLoss):
    """The same with gradients clipped first, and the slope of an L2 penalty added."""

    def __init__(
        self,
        parameters: Sequence[Tensor],
        closure: Callable[[], Tensor],
        clip_norm: float = math.inf,
        l2: float = 0.0,
    ) -> None:
        super().__init__(parameters, closure)
        self.clip_norm, self.l2 = clip_norm, l2

    def gradient(self, weights: Tensor) -> Tensor:
        """The gradient at other weights: (1, P) -> (1, P)."""
        gradient = super().gradient(weights)
        norm = torch.linalg.vector_norm(gradient)
        gradient.mul_((self.clip_norm / (norm + 1e-6)).clamp(max=1))  # as torch clips
        return gradient.add_(weights, alpha=self.l2)

    def hessian_product(self, weights: Tensor, direction: Tensor) -> Tensor:
        """The Hessian times a direction: (1, P) and (1, P) -> (1, P)."""
        return super().hessian_product(weights, direction).add_(direction, alpha=self.l2)
