"""Layer normalisation of a stack's hidden features, and its derivative written out."""

from typing import NamedTuple

import torch
from torch import Tensor

EPSILON = 1e-5  # added to the variance, as in torch.nn.LayerNorm


class Normalised(NamedTuple):
    """What the derivative needs of the way forward.

    Attributes:
        features: with mean 0 and variance 1 in each column, (K, width, batch).
        scale: what their distance from the mean was multiplied by, (K, 1, batch).
    """

    features: Tensor
    scale: Tensor


def normalise(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Normalised]:
    """Features of mean 0 and variance 1, times the weight, plus the bias.

    Source: Ba, Kiros & Hinton 2016 (arXiv:1607.06450), equations 3 and 4.

    Args:
        x: (K, width, batch).
        weight: (K, width).
        bias: (K, width).

    Returns:
        (K, width, batch), in memory of its own, and what `slope_before` needs.
    """
    centred = x - x.mean(1, keepdim=True)
    scale = (centred.square().mean(1, keepdim=True) + EPSILON).rsqrt()
    features = centred * scale
    return (
        torch.addcmul(bias.unsqueeze(2), features, weight.unsqueeze(2)),
        Normalised(features, scale),
    )


def slope_before(
    slope: Tensor, passed: Normalised, weight: Tensor, out_weight: Tensor, out_bias: Tensor
) -> Tensor:
    """The loss's derivative by what `normalise` was given, from that by what it returned.

    Args:
        slope: (K, width, batch).
        passed: what `normalise` kept.
        weight: (K, width).
        out_weight: where the weight's gradient goes, (K, width).
        out_bias: likewise, the bias's.

    Returns:
        (K, width, batch).
    """
    torch.sum(slope * passed.features, 2, out=out_weight)
    torch.sum(slope, 2, out=out_bias)
    slope = slope * weight.unsqueeze(2)
    # A change of all features alike, or along the features themselves, is normalised away.
    along = (slope * passed.features).mean(1, keepdim=True)
    slope = slope.sub_(slope.mean(1, keepdim=True))
    return slope.addcmul_(passed.features, along, value=-1).mul_(passed.scale)
