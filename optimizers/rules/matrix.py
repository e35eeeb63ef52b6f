"""Rules that treat a weight matrix as a matrix: its singular values, its rows and columns.

Tensors of more than two dimensions (kernels of convolutions) count as matrices of their first
dimension by all others; vectors and scalars are left to a simpler rule.

Kernels for products and decompositions round a matrix by where it lies in memory. So that a trial
stays itself in any stack, products run over copies with sides filled up to a multiple of 4 (all
matrices then begin alike), and decompositions take one matrix at a time.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import prod
from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.layout import Layout
from optimizers.rule import Coefficients, Columns, Rule, State, power, square_root
from optimizers.rules.adam import ADAMW
from optimizers.rules.common import BETA1, BETA2, EPSILON, WEIGHT_DECAY, decay, fixed, learning_rate

PERIOD = 10
"""Steps from one decomposition to the next (SOAP, Shampoo)."""

LARGEST_SIDE = 1024
"""A longer side of a matrix is not decomposed: its square would outweigh all else."""

QUINTIC = 3.4445, -4.7750, 2.0315
"""Coefficients of Muon's iteration; five of them take singular values to about 1."""

PANTHEON = "Wen et al. 2025 (arXiv:2509.02046), widened"


class _Parts:
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
def _parts_of(shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> _Parts:
    return _Parts(Layout(dict(shapes)))


def _parts(layout: Layout) -> _Parts:
    return _parts_of(tuple(layout.shapes.items()))


def _aligned(matrices: Tensor) -> Tensor:
    """A copy with zeros around, in which every matrix begins alike; at least two of them."""
    k, m, n = matrices.shape
    padded = matrices.new_zeros(max(k, 2), -(-m // 4) * 4, -(-n // 4) * 4)
    padded[:k, :m, :n] = matrices
    return padded


def _product(*factors: Tensor) -> Tensor:
    """The matrix product of two or three stacks, (k, m, ...) and (k, ..., n) -> (k, m, n)."""
    k, m, n = len(factors[0]), factors[0].shape[1], factors[-1].shape[2]
    result = _aligned(factors[0])
    for factor in factors[1:]:
        result = torch.bmm(result, _aligned(factor))
    return result[:k, :m, :n]


def _each(decompose: Callable[[Tensor], Tensor], matrices: Tensor) -> Tensor:
    """A decomposition of every matrix of a stack; a lost trial's is lost too."""
    finite = matrices.isfinite().flatten(1).all(1)[:, None, None]
    whole = torch.where(finite, matrices, 0)  # else one trial's NaN would raise for all
    if whole.device.type == "cpu":
        result = torch.stack([decompose(one) for one in whole])
    else:
        result = decompose(whole)
    return torch.where(finite, result, torch.nan)


def orthogonal(matrices: Tensor, epsilon: Tensor) -> Tensor:
    """U Vᵀ of every matrix U S Vᵀ, nearly: singular values end between 0.7 and 1.2.

    In the precision of the weights, not in bfloat16 as elsewhere: on processors that do not
    multiply in bfloat16 it takes 10 to 20 times as long, on the others such small matrices gain
    nothing, and with 8 bits a result could be compared with nobody's.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    lying = matrices.transpose(1, 2) if tall else matrices
    x = _aligned(lying)
    norm = torch.linalg.vector_norm(x.flatten(1), dim=1, keepdim=True)[: len(epsilon)]
    x[: len(epsilon)] /= torch.maximum(norm, epsilon)[:, :, None]
    a, b, c = QUINTIC
    for _ in range(5):
        gram = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    x = x[: len(lying), : lying.shape[1], : lying.shape[2]]
    return x.transpose(1, 2) if tall else x


def _muon_start(weights: Tensor, layout: Layout) -> State:
    parts = _parts(layout)
    return {
        "momentum": weights.new_zeros(len(weights), parts.matrices.size),
        "mean": weights.new_zeros(len(weights), parts.rest.size),
        "square": weights.new_zeros(len(weights), parts.rest.size),
    }


def _muon_coefficients(t: Tensor, h: Columns) -> Coefficients:
    fallback = {
        "learning_rate": h["learning_rate"] * h["fallback_rate"],
        "beta1": h["fallback_beta1"],
        "beta2": h["fallback_beta2"],
        "epsilon": h["fallback_epsilon"],
        "weight_decay": h["weight_decay"],
    }
    return {
        "matrix_rate": h["learning_rate"],
        "matrix_keep": 1 - h["learning_rate"] * h["weight_decay"],
        "momentum": h["momentum"],
        "new_momentum": 1 - h["momentum"],
        "matrix_epsilon": h["epsilon"],
        **ADAMW.coefficients(t, fallback),
    }


def _muon(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    parts = _parts(c.layout)
    if parts.rest.size:
        rest = parts.gather(weights, parts.rest)
        ADAMW.update(rest, parts.gather(gradient, parts.rest), state, c)
        parts.scatter(rest, parts.rest, weights)
    momentum, ahead = state["momentum"], parts.gather(gradient, parts.matrices)
    momentum.lerp_(ahead, c.new_momentum)
    ahead.lerp_(momentum, c.momentum)
    steps = parts.matrices.by_name(ahead)
    for name, matrix in parts.views(weights):
        m, n = matrix.shape[1:]
        rate = c.matrix_rate * max(1.0, m / n) ** 0.5
        step = orthogonal(steps[name], c.matrix_epsilon)
        matrix.mul_(c.matrix_keep[:, :, None]).sub_(step * rate[:, :, None])


def _soap_start(weights: Tensor, layout: Layout) -> State:
    sides = _parts(layout).sides.size
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


def _rotate(flat: Tensor, parts: _Parts, basis: dict[str, Tensor], *, back: bool = False) -> None:
    """Turn every matrix of (k, P) numbers into the basis, or back, in place."""
    for name, matrix in parts.views(flat):
        left, right = basis.get(f"{name}.left"), basis.get(f"{name}.right")
        turned = matrix
        if left is not None:
            turned = _product(left if back else left.transpose(1, 2), turned)
        if right is not None:
            turned = _product(turned, right.transpose(1, 2) if back else right)
        matrix.copy_(turned)


def _learn(
    gradient: Tensor, parts: _Parts, factors: dict[str, Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every side's factor, and what this step's gradient says of it: G Gᵀ or Gᵀ G."""
    for name, matrix in parts.views(gradient):
        turned = matrix.transpose(1, 2)
        for side, pair in (("left", (matrix, turned)), ("right", (turned, matrix))):
            if f"{name}.{side}" in factors:
                yield factors[f"{name}.{side}"], _product(*pair)


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
    parts: _Parts, square: Tensor, factors: dict[str, Tensor], basis: dict[str, Tensor]
) -> None:
    """Follow the factors' eigenvectors by one step of power iteration, the largest first."""
    for name, squares in parts.views(square):
        for side, axis in (("left", 1), ("right", 2)):
            q = basis.get(f"{name}.{side}")
            if q is None:
                continue
            pushed = _product(factors[f"{name}.{side}"], q)
            values = (_aligned(q) * _aligned(pushed)).sum(1)[: len(q), : q.shape[1]]
            order = values.argsort(dim=1, descending=True, stable=True)
            place = order.unsqueeze(3 - axis).expand_as(squares)
            squares.copy_(squares.gather(axis, place))
            pushed = pushed.gather(2, order.unsqueeze(1).expand_as(pushed))
            q.copy_(_each(_orthonormal, pushed))


def _soap(weights: Tensor, gradient: Tensor, state: State, c: SimpleNamespace) -> None:
    parts = _parts(c.layout)
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
    sides = _parts(layout).sides.size
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
    parts = _parts(c.layout)
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
            root.copy_(_product(q / shrunk, q.transpose(1, 2)))
    total = state["total"]
    total.addcmul_(gradient, gradient)
    step = gradient / square_root(total).add_(c.epsilon)
    # Roots of some steps ago would blow up what is new in a gradient: they give the direction of
    # a matrix's step, Adagrad its length.
    matrices = dict(parts.views(gradient))
    for name, grafted in parts.views(step):
        sides = [roots.get(f"{name}.left"), matrices[name], roots.get(f"{name}.right")]
        turned = _product(*(side for side in sides if side is not None))
        length = _norm(turned).clamp_(min=torch.finfo(turned.dtype).tiny)
        grafted.copy_(turned.mul_(_norm(grafted) / length))
    weights.addcmul_(step, c.rate, value=-1)


MUON = Rule(
    name="muon",
    summary="Makes the momentum of every weight matrix orthogonal, so that all its directions "
    "move equally far. Biases and other vectors follow AdamW, at a share of the learning rate.",
    formula="m ← μ m + (1−μ) g;  u ← (1−μ) g + μ m;  X ← u/‖u‖, five times "
    "X ← a X + (b X Xᵀ + c (X Xᵀ)²) X;  θ ← (1 − η λ) θ − η √max(1, rows/columns) X",
    reference="Jordan et al. 2024, Muon; weight decay: Liu et al. 2025 (arXiv:2502.16982)",
    hyperparameters=(
        learning_rate(0.02, 1e-3, 0.2),
        Hyperparameter(
            "momentum",
            0.95,
            "Share of the mean gradient kept at each step.",
            low=0.8,
            high=0.99,
            scale="log1m",
            below=1.0,
            source=PANTHEON,
        ),
        WEIGHT_DECAY,
        Hyperparameter(
            "fallback_rate",
            0.15,
            "Learning rate of AdamW for what is no matrix, as a share of Muon's.",
            low=0.02,
            high=1.0,
            scale="log",
            source=PANTHEON,
        ),
        fixed("fallback_beta1", BETA1.default, "AdamW's share of the mean gradient kept."),
        fixed("fallback_beta2", BETA2.default, "AdamW's share of the mean squared gradient kept."),
        fixed("fallback_epsilon", EPSILON.default, "Keeps AdamW's division finite."),
        fixed("epsilon", 1e-7, "Least norm that a matrix is divided by."),
    ),
    state=("momentum", "mean", "square"),
    coefficients=_muon_coefficients,
    update=_muon,
    stacking="matrix",
    start=_muon_start,
)

SOAP = Rule(
    name="soap",
    summary="AdamW in a turned space: along the directions in which the rows and columns of each "
    f"matrix's gradients vary most, found anew every {PERIOD} steps. The first step only looks.",
    formula="L ← β L + (1−β) g gᵀ;  R ← β R + (1−β) gᵀ g;  Q their eigenvectors;  "
    "m ← β₁ m + (1−β₁) g;  v ← β₂ v + (1−β₂) (Q_Lᵀ g Q_R)²;  "
    "θ ← (1 − η λ) (θ − η Q_L (Q_Lᵀ m̂ Q_R / (√v̂ + ε)) Q_Rᵀ)",
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
