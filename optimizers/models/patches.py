"""The 3 x 3 surroundings of every pixel (im2col), and pixels from surroundings (col2im).

Either is the other's derivative. Written out, as autograd's way back through `Tensor.unfold` takes
three times as long.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_STEPS = (-1, 0, 1)


def patches(images: Tensor) -> Tensor:
    """Every pixel's surroundings, zeros beyond the edge; differentiable, any number of times.

    Args:
        images: (K, channels, batch, H, W).

    Returns:
        (K, channels, 3, 3, batch, H, W), contiguous.
    """
    found: Tensor = _Patches.apply(images)  # type: ignore[no-untyped-call]
    return found


class _Patches(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, images: Tensor) -> Tensor:
        around = F.pad(images, (1, 1, 1, 1)).unfold(3, 3, 1).unfold(4, 3, 1)
        return around.permute(0, 1, 5, 6, 2, 3, 4).contiguous()

    @staticmethod
    def backward(_: Any, *slopes: Tensor) -> Any:
        return _Sums.apply(*slopes)  # type: ignore[no-untyped-call]


class _Sums(torch.autograd.Function):
    """Of what every pixel was in the surroundings of its neighbours: the images' shape."""

    @staticmethod
    def forward(_: Any, around: Tensor) -> Tensor:
        height, width = around.shape[-2:]
        sums = around[:, :, 1, 1].clone()
        for row in _STEPS:
            for column in _STEPS:
                if row or column:
                    rows, from_rows = _overlap(height, row)
                    columns, from_columns = _overlap(width, column)
                    shifted = around[:, :, 1 + row, 1 + column]
                    sums[..., rows, columns] += shifted[..., from_rows, from_columns]
        return sums

    @staticmethod
    def backward(_: Any, *slopes: Tensor) -> Any:
        return _Patches.apply(*slopes)  # type: ignore[no-untyped-call]


def _overlap(size: int, step: int) -> tuple[slice, slice]:
    """Where places have a neighbour ``step`` before them, and where these neighbours are."""
    return slice(max(step, 0), size + min(step, 0)), slice(max(-step, 0), size - max(step, 0))
