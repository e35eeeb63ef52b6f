"""The numbers that torch.nn's layers begin with, drawn from a generator."""

import math

import torch
from torch import Tensor, nn


def affine(shape: tuple[int, ...], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weight and bias of `torch.nn.Linear` or `torch.nn.Conv2d`.

    Args:
        shape: the weight's: (out, in), or (out, in, height, width).
        generator: as the layer drew from it, the weight first.

    Returns:
        The weight, and the bias: (out,).
    """
    weight, bias = torch.empty(shape), torch.empty(shape[0])
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
    bound = 1 / math.sqrt(weight[0].numel())
    nn.init.uniform_(bias, -bound, bound, generator=generator)
    return weight, bias


def embedding(rows: int, width: int, generator: torch.Generator) -> Tensor:
    """The weight of `torch.nn.Embedding`, (rows, width)."""
    return nn.init.normal_(torch.empty(rows, width), generator=generator)


def norm(width: int) -> tuple[Tensor, Tensor]:
    """Weight and bias of `torch.nn.LayerNorm`, each (width,); nothing is drawn."""
    return torch.ones(width), torch.zeros(width)
