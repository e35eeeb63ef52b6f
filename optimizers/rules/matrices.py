"""Weight matrices of a stack: where they lie in a row, and products of them.

Tensors of more than two dimensions (kernels of convolutions) count as matrices of their first
dimension by all others; vectors and scalars are left to a simpler rule.

Kernels for products round a matrix by where it lies in memory. So that a trial stays itself in any
stack, products run over copies with sides filled up to a multiple of 4: all matrices then begin
alike.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import prod

import torch
from torch import Tensor

from optimizers.layout import Layout

LARGEST_SIDE = 1024
"""A longer side of a matrix is not decomposed: its square would outweigh all else."""


class Parts:
    """The matrices of a layout and the rest, each side by side in rows of their own.

    Attributes:
        matrices: their shapes as matrices.
        rest: the shapes of all other tensors.
        sides: of each matrix, a square for each side that is not too long.
    """

    def __init__(self, layout: Layout) -> None:
        flat = {
            name: (shape[0], prod(shape[1:]))
            for name, shape in layout.shapes.items()
            if len(shape) >= 2
        }
        self.matrices = Layout(flat)
        self.rest = Layout({n: s for n, s in layout.shapes.items() if n not in flat})
        self.sides = Layout(
            {
                f"{name}.{place}": (side, side)
                for name, shape in flat.items()
                for place, side in zip(("left", "right"), shape, strict=True)
                if side <= LARGEST_SIDE
            }
        )
        self._layout = layout

    def views(self, flat: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Every matrix of (k, P) numbers, (k, m, n)."""
        tensors = self._layout.by_name(flat)
        for name, shape in self.matrices.shapes.items():
            yield name, tensors[name].view(len(flat), *shape)

    def gather(self, flat: Tensor, part: Layout) -> Tensor:
        """A copy of the numbers of ``matrices`` or ``rest``, side by side."""
        tensors = self._layout.by_name(flat)
        chosen = [tensors[name].reshape(len(flat), -1) for name in part.shapes]
        return torch.cat([flat[:, :0], *chosen], 1)

    def scatter(self, numbers: Tensor, part: Layout, flat: Tensor) -> None:
        """Put such numbers back where they came from."""
        tensors = self._layout.by_name(flat)
        for name, tensor in part.by_name(numbers).items():
            tensors[name].copy_(tensor)


@lru_cache(maxsize=64)
def _made(shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> Parts:
    return Parts(Layout(dict(shapes)))


def parts_of(layout: Layout) -> Parts:
    """The matrices of a layout and the rest; made once."""
    return _made(tuple(layout.shapes.items()))


def aligned(matrices: Tensor) -> Tensor:
    """A copy with zeros around, in which every matrix begins alike; at least two of them."""
    k, m, n = matrices.shape
    padded = matrices.new_zeros(max(k, 2), -(-m // 4) * 4, -(-n // 4) * 4)
    padded[:k, :m, :n] = matrices
    return padded


def product(*factors: Tensor) -> Tensor:
    """The matrix product of two or three stacks, (k, m, ...) and (k, ..., n) -> (k, m, n)."""
    k, m, n = len(factors[0]), factors[0].shape[1], factors[-1].shape[2]
    result = aligned(factors[0])
    for factor in factors[1:]:
        result = torch.bmm(result, aligned(factor))
    return result[:k, :m, :n]
