"""Rules on matrices: pytorch_optimizer as second witness, and what only matrices can go wrong."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
import pytorch_optimizer
import torch
from pytorch_optimizer.optimizer import soap as their_soap
from torch import Tensor, nn

from optimizers.layout import Layout
from optimizers.registry import RULES
from optimizers.rules import matrices, muon, shampoo
from tests.optimizers.drive import arrive, drive, spread

NAMES = ("muon", "soap", "shampoo")
TRIALS, STEPS = 4, 45
# Sides differ by one at most: a larger null space has no eigenvectors of its own, and any basis
# of it is as right as another.
LAYOUT = Layout({"tall": (5, 4), "vector": (6,), "wide": (3, 4), "square": (4, 4), "scalar": ()})
WITHIN = {torch.float64: 1e-12, torch.float32: 2e-5}

every_rule = pytest.mark.parametrize("name", NAMES)
both_precisions = pytest.mark.parametrize("dtype", WITHIN, ids=str)

Build = Callable[[list[nn.Parameter], Mapping[str, float]], torch.optim.Optimizer]


class InDouble:
    """torch as it looks to a module that insists on single precision."""

    float32 = torch.float64

    def __getattr__(self, name: str) -> object:
        return getattr(torch, name)


def recorded(trials: int, layout: Layout, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Random weights (K, P) and gradients (steps, K, P)."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(trials, layout.size, generator=generator, dtype=torch.float64)
    gradients = torch.randn(STEPS, trials, layout.size, generator=generator, dtype=torch.float64)
    return start.to(dtype), gradients.to(dtype)


def theirs(
    build: Build, h: Mapping[str, float], start: Tensor, gradients: Tensor, layout: Layout
) -> Tensor:
    """Where each of their steps arrives, (steps, P), for one trial."""
    parameters = [nn.Parameter(w[0].clone()) for w in layout.by_name(start[None]).values()]
    optimizer, path = build(parameters, h), []
    for gradient in gradients:
        for p, g in zip(parameters, layout.by_name(gradient[None]).values(), strict=True):
            p.grad = g[0].clone()
        optimizer.step()
        path.append(torch.cat([p.detach().flatten() for p in parameters]))
    return torch.stack(path)


def build_soap(p: list[nn.Parameter], h: Mapping[str, float]) -> torch.optim.Optimizer:
    """Theirs, with sides as long as ours may be."""
    return pytorch_optimizer.SOAP(
        p,
        h["learning_rate"],
        (h["beta1"], h["beta2"]),
        h["shampoo_beta"],
        h["weight_decay"],
        max_precondition_dim=matrices.LARGEST_SIDE,
        eps=h["epsilon"],
    )


def error(found: Tensor, wanted: Tensor) -> float:
    """Largest difference over largest wanted number."""
    return float((found - wanted).abs().max() / wanted.abs().max())


@both_precisions
def test_soap_is_pytorch_optimizers(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    if dtype == torch.float64:  # its QR decomposition is in single precision, whatever it is given
        monkeypatch.setattr(their_soap, "torch", InDouble())
    start, gradients = recorded(TRIALS, LAYOUT, dtype)
    trials = spread(RULES["soap"], TRIALS)
    found = arrive(RULES["soap"], trials, start, lambda s, _: gradients[s], STEPS, LAYOUT)[0]

    for row, h in enumerate(trials):
        wanted = theirs(build_soap, h, start[row], gradients[:, row], LAYOUT)[-1]
        assert error(found[row], wanted) <= WITHIN[dtype]


@both_precisions
def test_shampoo_is_pytorch_optimizers_grafted_to_torchs_adagrad(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directions, taken at every step as it does; the lengths of torch's Adagrad."""
    monkeypatch.setattr(shampoo, "PERIOD", 1)
    layout = Layout({name: s for name, s in LAYOUT.shapes.items() if len(s) == 2})
    start, gradients = recorded(TRIALS, layout, dtype)
    trials = spread(RULES["shampoo"], TRIALS)
    found = arrive(RULES["shampoo"], trials, start, lambda s, _: gradients[s], STEPS, layout)[0]
    zero = torch.zeros_like(start[0])
    for row, h in enumerate(trials):
        fed = gradients[:, row]
        directions = theirs(
            lambda p, h: pytorch_optimizer.Shampoo(p, 1.0, matrix_eps=h["matrix_epsilon"]),
            h,
            zero,
            fed,
            layout,
        ).diff(dim=0, prepend=zero[None])
        lengths = theirs(
            lambda p, h: torch.optim.Adagrad(p, 1.0, eps=h["epsilon"]), h, zero, fed, layout
        ).diff(dim=0, prepend=zero[None])
        ratio = layout.spread(layout.norms(lengths) / layout.norms(directions))
        wanted = start[row] + h["learning_rate"] * (directions * ratio).sum(0)
        assert error(found[row], wanted) <= WITHIN[dtype]


@pytest.mark.parametrize(("side", "threads"), [(5, 1), (10, 1), (13, 1), (33, 1), (33, 2)])
@both_precisions
@every_rule
def test_matrices_of_odd_sides_are_the_same_in_any_stack(
    name: str, dtype: torch.dtype, side: int, threads: int
) -> None:
    """Kernels round a matrix by where it begins in memory, which these sides make uneven."""
    torch.set_num_threads(threads)
    layout = Layout({"one": (side, side + 3), "vector": (3,), "other": (2, side)})
    start, gradients = recorded(9, layout, dtype)
    trials = spread(RULES[name], 9)

    def run(rows: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        chosen = [trials[row] for row in rows]
        fed = gradients[:, list(rows)]
        return arrive(RULES[name], chosen, start[list(rows)], lambda s, _: fed[s], 13, layout)

    together, memory = run(range(9))
    for rows in ([0], [7], [2, 8], [5, 4, 3], [8, 1, 6, 0, 3]):
        weights, state = run(rows)
        assert torch.equal(weights, together[rows])
        assert all(torch.equal(state[key], memory[key][rows]) for key in state)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("step", [0, 10])
@every_rule
def test_a_trial_lost_where_matrices_are_decomposed_is_lost_alone(
    name: str, step: int, value: float
) -> None:
    start, gradients = recorded(TRIALS, LAYOUT, torch.float32)
    trials, others = spread(RULES[name], TRIALS), [0, 2, 3]
    fed = gradients.clone()
    fed[step, 1, 0] = value
    well, memory = arrive(RULES[name], trials, start, lambda s, _: gradients[s], 13, LAYOUT)
    lost, state = arrive(RULES[name], trials, start, lambda s, _: fed[s], 13, LAYOUT)
    assert torch.equal(lost[others], well[others])
    assert all(torch.equal(state[key][others], memory[key][others]) for key in state)
    assert not lost[1].isfinite().all()


@both_precisions
@every_rule
def test_defaults_find_the_bottom_of_a_matrix_parabola(name: str, dtype: torch.dtype) -> None:
    """Rows and columns stretched against each other; Muon hovers at a distance of its rate."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(n, n, generator=generator, dtype=dtype) for n in (6, 4))
    left, right = left @ left.T / 6 + 0.3 * torch.eye(6), right @ right.T / 4 + 0.3 * torch.eye(4)
    left, right = left.to(dtype), right.to(dtype)
    layout = Layout({"matrix": (6, 4)})
    start = torch.rand(2, 24, generator=generator, dtype=dtype) - 0.5

    def gradient(_: int, weights: Tensor) -> Tensor:
        return torch.matmul(torch.matmul(left, weights.view(-1, 6, 4)), right).reshape(-1, 24)

    def height(weights: Tensor) -> float:
        return float((weights * gradient(0, weights)).sum(1).max())

    h = {one.name: one.default for one in RULES[name].hyperparameters}
    for weights, _ in drive(RULES[name], [h, h], start, gradient, 3000, layout):
        reached = height(weights)
    assert reached < 0.02 * height(start)


def test_matrices_of_one_gradient_have_eigenvectors() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        column = torch.randn(128, 1, generator=generator)
        column *= torch.rand(128, 1, generator=generator) < 0.5  # inputs that are often zero
        values, *vectors = shampoo._eigen(column @ column.T)
        assert values[0] == pytest.approx(float(column.square().sum()), rel=1e-5)
        assert abs(float(torch.stack(vectors)[:, 0] @ column)) ** 2 == pytest.approx(
            float(values[0]), rel=1e-5
        )


def test_newton_and_schulz_take_singular_values_to_about_one() -> None:
    drawn = torch.randn(3, 8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = muon.orthogonal(drawn, torch.full((3, 1), 1e-7, dtype=torch.float64))
    u, _, vh = torch.linalg.svd(drawn, full_matrices=False)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6
    assert values.max() < 1.3
    # The same singular vectors: in their basis it is diagonal.
    turned = u.transpose(1, 2) @ found @ vh.transpose(1, 2)
    assert torch.allclose(turned, torch.diag_embed(turned.diagonal(dim1=1, dim2=2)), atol=1e-12)


@every_rule
def test_kernels_count_as_matrices(name: str) -> None:
    kernel, flat = Layout({"kernel": (4, 2, 3)}), Layout({"kernel": (4, 6)})
    start, gradients = recorded(2, kernel, torch.float64)
    ends = [
        arrive(RULES[name], spread(RULES[name], 2), start, lambda s, _: gradients[s], 13, layout)[0]
        for layout in (kernel, flat)
    ]
    assert torch.equal(*ends)


@pytest.mark.parametrize("shape", [(3, 4), (12,)], ids=["matrices", "no matrices"])
@every_rule
def test_a_model_of_nothing_but_matrices_or_none_is_trained(
    name: str, shape: tuple[int, ...]
) -> None:
    layout = Layout({"all": shape})
    start, gradients = recorded(2, layout, torch.float32)
    trials = spread(RULES[name], 2)
    weights, state = arrive(RULES[name], trials, start, lambda s, _: gradients[s], 13, layout)
    assert weights.isfinite().all()
    assert not torch.equal(weights, start)
    assert all(len(buffer) == 2 for buffer in state.values())


@pytest.fixture
def short_sides(monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    """A matrix with one side that is too long to be decomposed."""
    monkeypatch.setattr(matrices, "LARGEST_SIDE", 5)
    matrices._made.cache_clear()
    yield Layout({"matrix": (4, 9)})
    matrices._made.cache_clear()


def test_soap_leaves_a_side_alone_that_is_too_long(
    short_sides: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(their_soap, "torch", InDouble())
    start, gradients = recorded(TRIALS, short_sides, torch.float64)
    trials = spread(RULES["soap"], TRIALS)
    found, state = arrive(
        RULES["soap"], trials, start, lambda s, _: gradients[s], STEPS, short_sides
    )
    assert state["factors"].shape == (TRIALS, 16)
    for row, h in enumerate(trials):
        wanted = theirs(build_soap, h, start[row], gradients[:, row], short_sides)[-1]
        assert error(found[row], wanted) <= 1e-12


def test_shampoos_one_side_bears_the_whole_root(short_sides: Layout) -> None:
    """Its first step goes along (G Gᵀ + δ)^(-1/2) G, as far as Adagrad's: each weight its rate."""
    start, gradients = recorded(TRIALS, short_sides, torch.float64)
    trials = spread(RULES["shampoo"], TRIALS)
    found = arrive(RULES["shampoo"], trials, start, lambda s, _: gradients[s], 1, short_sides)[0]
    for row, h in enumerate(trials):
        u, s, vh = torch.linalg.svd(gradients[0, row].view(4, 9), full_matrices=False)
        direction = u @ torch.diag(s / (s.square() + h["matrix_epsilon"]).sqrt()) @ vh
        length = h["learning_rate"] * 36**0.5
        wanted = start[row] - length * (direction / direction.norm()).flatten()
        assert error(found[row], wanted) <= 1e-9  # Adagrad's epsilon
