"""Rules that decompose what they know of a matrix's rows and columns: Shampoo, and Adam in its basis.

Decompositions take one matrix at a time, as kernels round a matrix by where it lies in memory: so
a trial stays itself in any stack.
"""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.layout import Layout
from optimizers.rule import Coefficients, Columns, Rule, State, power, square_root
from optimizers.rules.common import (
    EPSILON,
    WEIGHT_DECAY,
    decay,
    fixed,
    learning_rate,
)
from optimizers.rules.matrices import Parts, aligned, parts_of, product

PERIOD = 10
"""Steps from one decomposition to the next."""


def _each(decompose: Callable[[Tensor], Tensor], matrices: Tensor) -> Tensor:
    """A decomposition of every matrix of a stack; a lost trial's is lost too."""
    finite = matrices.isfinite().flatten(1).all(1)[:, None, None]
    whole = torch.where(finite, matrices, 0)  # else one trial's NaN would raise for all
    if whole.device.type == "cpu":
        result = torch.stack([decompose(one) for one in whole])
    else:
        result = decompose(whole)
    return torch.where(finite, result, torch.nan)


def _soap_start(weights: Tensor, layout: Layout) -> State:
    sides = parts_of(layout).sides.size
    return {
        "mean": torch.zeros_like(weights),
        "square": torch.zeros_like(weights),
        "factors": weights.new_zeros(len(weights), sides),
        "basis": weights.new_zeros(len(weights), sides),
    }


def _soap_coefficients(t: Tensor, h: Columns) -> Coefficients:
    done = (t - 1).clamp(min=1)  # the first step only chooses the basis
    root = (1 - power(h["beta2"], done)).sqrt()
    return {
        "new": 1 - h["beta1"],
        "new_square": 1 - h["beta2"],
        "new_factor": 1 - h["shampoo_beta"],
        "epsilon": h["epsilon"],
        "rate": h["learning_rate"] * root / (1 - power(h["beta1"], done)),
        "keep": 1 - h["learning_rate"] * h["weight_decay"],
    }


def _rotate(flat: Tensor, parts: Parts, basis: dict[str, Tensor], *, back: bool = False) -> None:
    """Turn every matrix of (k, P) numbers into the basis, or back, in place."""
    for name, matrix in parts.views(flat):
        left, right = basis.get(f"{name}.left"), basis.get(f"{name}.right")
        turned = matrix
        if left is not None:
            turned = product(left if back else left.transpose(1, 2), turned)
        if right is not None:
            turned = product(turned, right.transpose(1, 2) if back else right)
        matrix.copy_(turned)


def _learn(
    gradient: Tensor, parts: Parts, factors: dict[str, Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every side's factor, and what this step's gradient says of it: G Gᵀ or Gᵀ G."""
    for name, matrix in parts.views(gradient):
        turned = matrix.transpose(1, 2)
        for side, pair in (("left", (matrix, turned)), ("right", (turned, matrix))):
            if f"{name}.{side}" in factors:
                yield factors[f"{name}.{side}"], product(*pair)


def _eigen(matrix: Tensor) -> Tensor:
    """Eigenvalues as a first row, below them their eigenvectors as columns, the largest first.

    In double precision: in single precision LAPACK gives up on up to one in twenty matrices of
    low rank, which is what the first gradients of a small batch make.
    """
    values, vectors = torch.linalg.eigh(matrix.double())
    return torch.cat([values.unsqueeze(-2), vectors], -2).flip(-1).to(matrix.dtype)


def _orthonormal(matrix: Tensor) -> Tensor:
    """A basis of the first column, the first two columns, and so on."""
    basis: Tensor = torch.linalg.qr(matrix).Q
    return basis


def _refresh(
    parts: Parts, square: Tensor, factors: dict[str, Tensor], basis: dict[str, Tensor]
) -> None:
    """Follow the factors' eigenvectors by one step of power iteration, the largest first."""
    for name, squares in parts.views(square):
        for side, axis in (("left", 1), ("right", 2)):
            q = basis.get(f"{name}.{side}")
            if q is None:
                continue
            pushed = product(factors[f"{name}.{side}"], q)
            values = (aligned(q) * aligned(pushed)).sum(1)[: len(q), : q.shape[1]]
            order = values.argsort(dim=1, descending=True, stable=True)
            place = order.unsqueeze(3 - axis).expand_as(squares)
            squares.copy_(squares.gather(axis, place))
            pushed = pushed.gather(2, order.unsqueeze(1).expand_as(pushed))
            q.copy_(_each(_orthonormal, pushed))


def _soap(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    parts = parts_of(c.layout)
    factors, basis = (parts.sides.by_name(state[name]) for name in ("factors", "basis"))
    for factor, outer in _learn(gradient, parts, factors):
        factor.lerp_(outer, c.new_factor[:, :, None])
    if c.step == 1:
        for key, q in basis.items():
            q.copy_(_each(_eigen, factors[key])[:, 1:])
        return
    mean, square = state["mean"], state["square"]
    mean.lerp_(gradient, c.new)
    _rotate(gradient, parts, basis)
    square.lerp_(gradient.mul_(gradient), c.new_square)
    step = mean.clone()
    _rotate(step, parts, basis)
    step.div_(square_root(square, out=gradient).add_(c.epsilon))
    _rotate(step, parts, basis, back=True)
    weights.addcmul_(step, c.rate, value=-1).mul_(c.keep)
    if (c.step - 1) % PERIOD == 0:
        _refresh(parts, square, factors, basis)


def _shampoo_start(weights: Tensor, layout: Layout) -> State:
    sides = parts_of(layout).sides.size
    return {
        "total": torch.zeros_like(weights),
        "factors": weights.new_zeros(len(weights), sides),
        "roots": weights.new_zeros(len(weights), sides),
    }


def _shampoo_coefficients(t: Tensor, h: Columns) -> Coefficients:
    return {
        "rate": h["learning_rate"],
        "epsilon": h["epsilon"],
        "matrix_epsilon": h["matrix_epsilon"],
    }


def _norm(matrices: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(matrices.flatten(1), dim=1)
    return norms[:, None, None]


def _shampoo(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    parts = parts_of(c.layout)
    factors, roots = (parts.sides.by_name(state[name]) for name in ("factors", "roots"))
    for factor, outer in _learn(gradient, parts, factors):
        factor.add_(outer)
    if (c.step - 1) % PERIOD == 0:
        for key, root in roots.items():
            name = key.rsplit(".", 1)[0]
            both = f"{name}.left" in factors and f"{name}.right" in factors
            found = _each(_eigen, factors[key])
            values, q = found[:, :1].clamp(min=0) + c.matrix_epsilon[:, :, None], found[:, 1:]
            # Two sides share the inverse square root of Adagrad; one alone bears it.
            shrunk = values.sqrt().sqrt() if both else values.sqrt()
            root.copy_(product(q / shrunk, q.transpose(1, 2)))
    total = state["total"]
    total.addcmul_(gradient, gradient)
    step = gradient / square_root(total).add_(c.epsilon)
    # Roots of some steps ago would blow up what is new in a gradient: they give the direction of
    # a matrix's step, Adagrad its length.
    matrices = dict(parts.views(gradient))
    for name, grafted in parts.views(step):
        sides = [roots.get(f"{name}.left"), matrices[name], roots.get(f"{name}.right")]
        turned = product(*(side for side in sides if side is not None))
        length = _norm(turned).clamp_(min=torch.finfo(turned.dtype).tiny)
        grafted.copy_(turned.mul_(_norm(grafted) / length))
    weights.addcmul_(step, c.rate, value=-1)


SOAP = Rule(
    name="soap",
    summary="AdamW in a turned space: along the directions in which the rows and columns of each "
    f"matrix's gradients vary most, found anew every {PERIOD} steps. The first step only looks.",
    formula="L ← β L + (1−β) g gᵀ;  R ← β R + (1−β) gᵀ g;  Q their eigenvectors;  "
    "m ← β₁ m + (1−β₁) g;  v ← β₂ v + (1−β₂) (Q_Lᵀ g Q_R)²;  "
    "θ ← (1 − η λ) (θ − η Q_L ((Q_Lᵀ m̂ Q_R) / (√v̂ + ε)) Q_Rᵀ)",
    reference="Vyas et al. 2024 (arXiv:2409.11321), algorithm 3",
    hyperparameters=(
        learning_rate(3e-3, 1e-4, 0.1),
        decay("beta1", 0.95, 0.8, 0.98, "Share of the mean gradient kept at each step."),
        decay("beta2", 0.95, 0.9, 0.999, "Share of the mean squared gradient kept."),
        decay("shampoo_beta", 0.95, 0.9, 0.99, "Share of the mean of g gᵀ and gᵀ g kept."),
        EPSILON,
        WEIGHT_DECAY,
    ),
    state=("mean", "square", "factors", "basis"),
    coefficients=_soap_coefficients,
    update=_soap,
    stacking="matrix",
    start=_soap_start,
)

SHAMPOO = Rule(
    name="shampoo",
    summary="Adagrad for matrices: divides the gradient, from both sides, by roots of the sums of "
    f"its products with itself, taken every {PERIOD} steps. Lengths of steps are Adagrad's.",
    formula="L ← L + g gᵀ;  R ← R + gᵀ g;  s ← s + g²;  a = g / (√s + ε);  "
    "d = (L + δ)^(−¼) g (R + δ)^(−¼);  θ ← θ − η ‖a‖ d / ‖d‖",
    reference="Gupta, Koren & Singer 2018 (arXiv:1802.09568), algorithm 1; "
    "grafting: Shi et al. 2023 (arXiv:2309.06497)",
    hyperparameters=(
        learning_rate(0.01, 1e-3, 1.0),
        fixed("epsilon", 1e-10, "Keeps Adagrad's division finite."),
        fixed("matrix_epsilon", 1e-6, "Added to the sums of products, so that they have roots."),
    ),
    state=("total", "factors", "roots"),
    coefficients=_shampoo_coefficients,
    update=_shampoo,
    stacking="matrix",
    start=_shampoo_start,
)
