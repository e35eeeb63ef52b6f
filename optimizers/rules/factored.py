"""Adafactor: what a matrix remembers of its squared gradients is a row and a column."""

from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.layout import Layout, row_sums
from optimizers.rule import Coefficients, Columns, Rule, State, power
from optimizers.rules.common import WEIGHT_DECAY, fixed, learning_rate
from optimizers.rules.layerwise import scale


def _adafactor_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {
        "new": power(t, -h["decay_power"]),
        "rate": torch.minimum(h["learning_rate"], t.rsqrt()),
        "keep": 1 - h["learning_rate"] * h["weight_decay"],
        "clip": h["clip"],
        "floor": h["floor"],
    }


def _is_matrix(shape: tuple[int, ...]) -> bool:
    """By the shape of ONE trial's tensor: a stack of vectors looks like a matrix."""
    return len(shape) > 1


def _sizes(layout: Layout) -> dict[str, list[int]]:
    """How many numbers each tensor keeps in each buffer."""
    sizes: dict[str, list[int]] = {"row": [], "column": [], "square": []}
    for shape in layout.shapes.values():
        numbers, matrix = torch.Size(shape).numel(), _is_matrix(shape)
        sizes["row"].append(numbers // shape[-1] if matrix else 0)
        sizes["column"].append(numbers // shape[-2] if matrix else 0)
        sizes["square"].append(0 if matrix else numbers)
    return sizes


def _adafactor_start(weights: Tensor, layout: Layout) -> State:
    return {
        name: weights.new_zeros(len(weights), sum(sizes)) for name, sizes in _sizes(layout).items()
    }


def _row_means(matrices: Tensor) -> Tensor:
    """(k, ..., m, n) -> (k, ..., m)."""
    return row_sums(matrices) / matrices.shape[-1]


def _column_means(matrices: Tensor) -> Tensor:
    """(k, ..., m, n) -> (k, ..., n); overwrites what it is given.

    Halves are added to halves: torch adds down columns in an order that depends on the stack.
    """
    height = left = matrices.shape[-2]
    while left > 1:
        half = left // 2
        matrices.narrow(-2, 0, half).add_(matrices.narrow(-2, left - half, half))
        left -= half
    return matrices.select(-2, 0) / height


def _spread(gradient: Tensor, row: Tensor, column: Tensor, new: Tensor, floor: float) -> Tensor:
    """The root mean square of one stacked matrix, rebuilt from its renewed rows and columns."""
    squares = gradient * gradient  # (k, ..., m, n)
    row.lerp_(_row_means(squares).flatten(1), new)
    column.lerp_(_column_means(squares).flatten(1), new)
    rows = row.view(squares.shape[:-1])  # (k, ..., m)
    rows = (rows / _row_means(rows).unsqueeze(-1).clamp(min=floor)).sqrt_()
    columns = column.sqrt().view(*squares.shape[:-2], squares.shape[-1])  # (k, ..., n)
    return torch.mul(rows.unsqueeze(-1), columns.unsqueeze(-2), out=squares)


def _adafactor(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    floor = torch.finfo(weights.dtype).eps
    parts = {
        name: torch.split(state[name], sizes, dim=1) for name, sizes in _sizes(c.layout).items()
    }
    for part, row, column, square in zip(
        c.layout.by_name(gradient).values(), *parts.values(), strict=True
    ):
        if _is_matrix(part.shape[1:]):
            spread = _spread(part, row, column, c.new, floor)
        else:
            flat = part.view(len(part), -1)
            square.lerp_(flat * flat, c.new)
            spread = square.sqrt().view(part.shape)
        part.div_(spread.clamp_(min=floor))
    roots = weights.new_tensor([torch.Size(shape).numel() for shape in c.layout.shapes.values()])
    roots.sqrt_()
    size, step = c.layout.norms(weights) / roots, c.layout.norms(gradient) / roots
    excess = (step / c.clip).clamp_(min=1)
    weights.mul_(c.keep)
    weights.sub_(scale(gradient, c.rate * torch.maximum(size, c.floor) / excess, c.layout))


ADAFACTOR = Rule(
    name="adafactor",
    summary="Divides the gradient by a root mean square that, in a matrix, is rebuilt from one "
    "row and one column. The step is clipped, and relative to the size of the weights.",
    formula="w = t^−p;  R ← R + w (row means of g² − R), C likewise;  V = (R C) / mean(R);  "
    "u = g / √V;  l = max(ε, rms θ) min(η, 1/√t);  θ ← (1 − η λ) θ − l u / max(1, rms(u)/d)",
    reference="Shazeer & Stern 2018 (arXiv:1804.04235), algorithms 4 and 5",
    hyperparameters=(
        learning_rate(0.01, 1e-4, 0.1),
        fixed("decay_power", 0.8, "How soon past squares are forgotten: t to minus this is new."),
        Hyperparameter(
            "clip", 1.0, "Root mean square above which a tensor's step is cut.", minimum=1e-6
        ),
        fixed("floor", 1e-3, "Size that weights count as having at least."),
        WEIGHT_DECAY,
    ),
    state=("row", "column", "square"),
    coefficients=_adafactor_coefficients,
    update=_adafactor,
    stacking="reduction",
    start=_adafactor_start,
)
