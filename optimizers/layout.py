"""Where each tensor of a trial's weights lies in its row, and sums over tensors of a row."""

from collections.abc import Mapping

import torch
from torch import Tensor

_PIECE = 2**14


def row_sums(numbers: Tensor) -> Tensor:
    """The sum over the last dimension, the same bits in any stack and on any number of threads.

    torch splits a sum that has one result and 2¹⁵ numbers or more among its threads: a lone row
    would be added up in another order than a row among others. So long rows go in pieces.
    """
    if numbers.shape[-1] <= _PIECE:
        return numbers.sum(-1)
    pieces = torch.split(numbers, _PIECE, dim=-1)
    return torch.stack([piece.sum(-1) for piece in pieces], dim=-1).sum(-1)


class Layout:
    """The tensors of one trial, side by side in a row of P numbers.

    Args:
        shapes: the shape of every tensor of ONE trial, by name, in order.

    Attributes:
        shapes: likewise.
        size: P, the numbers of one trial.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        self._sizes = [torch.Size(shape).numel() for shape in shapes.values()]
        self.size = sum(self._sizes)

    def by_name(self, flat: Tensor) -> dict[str, Tensor]:
        """Views of (k, P) numbers by tensor, each (k, *shape)."""
        parts = torch.split(flat, self._sizes, dim=1)
        return {
            name: part.view(len(flat), *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def sums(self, flat: Tensor) -> Tensor:
        """The sum of every tensor's numbers: (k, P) -> (k, tensors)."""
        parts = torch.split(flat, self._sizes, dim=1)
        return torch.stack([row_sums(part) for part in parts], dim=1)

    def norms(self, flat: Tensor) -> Tensor:
        """The Euclidean norm of every tensor: (k, P) -> (k, tensors)."""
        parts = torch.split(flat, self._sizes, dim=1)
        return torch.stack([torch.linalg.vector_norm(part, dim=1) for part in parts], dim=1)

    def means(self, flat: Tensor) -> Tensor:
        """The mean of every tensor's numbers: (k, P) -> (k, tensors)."""
        return self.sums(flat) / flat.new_tensor(self._sizes)

    def spread(self, values: Tensor) -> Tensor:
        """One number a tensor for each of its numbers: (k, tensors) -> (k, P)."""
        sizes = torch.tensor(self._sizes, device=values.device)
        return torch.repeat_interleave(values, sizes, dim=1, output_size=self.size)
