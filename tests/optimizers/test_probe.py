"""What a rule asks of the loss elsewhere: only its own rows, and the same bits in any stack."""

from typing import Any

import pytest
import torch
from torch import Tensor

from optimizers.configuration import Configuration
from optimizers.errors import InvalidProblem
from optimizers.layout import Layout
from optimizers.models.mlp import MLP
from optimizers.objectives import CrossEntropy
from optimizers.probe import Batch, BatchProbe
from optimizers.problem import ByAutograd, Examples, Problem, Weights
from optimizers.training import train
from tests.optimizers.peer import digits, network

TRIALS, SIZE, FEATURES, CLASSES = 6, 13, 7, 3
SLICES = [slice(0, TRIALS), slice(1, 3), slice(4, 5), slice(0, 1)]

every_slice = pytest.mark.parametrize("rows", SLICES, ids=str)
shared_or_not = pytest.mark.parametrize("shared", [True, False], ids=["one batch", "a batch each"])
every_problem = pytest.mark.parametrize("dropout", [0.0, 0.4])
both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


class WithoutLoss:
    """A network that tells its gradient and nothing else."""

    def __init__(self, net: MLP) -> None:
        self.check, self.shapes, self.initial = net.check, net.shapes, net.initial
        self.noise, self.gradient, self.evaluate = net.noise, net.gradient, net.evaluate


class Derived(WithoutLoss):
    """A network that tells its loss and leaves the gradient to autograd."""

    def __init__(self, net: MLP) -> None:
        super().__init__(net)
        self.loss = net.loss
        self.gradient = lambda *asked: ByAutograd.gradient(self, *asked)  # type: ignore[arg-type]


def mlp(dropout: float = 0.0, activation: str = "tanh") -> MLP:
    """A small network."""
    return MLP(FEATURES, CLASSES, CrossEntropy(), (9,), activation, dropout)


def drawn(net: MLP, dtype: torch.dtype, shared: bool) -> tuple[Tensor, Batch]:
    """Weights of a stack, and a batch for it: one for all or one a trial."""
    generator = torch.Generator().manual_seed(0)
    size = Layout(net.shapes).size
    weights = torch.randn(TRIALS, size, generator=generator, dtype=dtype)
    streams = 1 if shared else TRIALS
    inputs = torch.randn(streams, SIZE, FEATURES, generator=generator, dtype=dtype)
    targets = torch.randint(CLASSES, (streams, SIZE), generator=generator)
    masks = [net.noise(generator, SIZE) for _ in range(streams)]
    noise = [torch.stack(parts).to(dtype) for parts in zip(*masks, strict=True)]
    inputs, targets, *noise = (
        part.expand(TRIALS, *part.shape[1:]) for part in (inputs, targets, *noise)
    )
    return weights, (inputs, targets, tuple(noise))


def probe(problem: Problem, rows: slice, batch: Batch) -> BatchProbe:
    """The probe of some rows."""
    return BatchProbe(problem, Layout(problem.shapes), rows, batch)


@both_precisions
@shared_or_not
@every_problem
@every_slice
def test_a_gradient_elsewhere_is_the_problems(
    rows: slice, dropout: float, shared: bool, dtype: torch.dtype
) -> None:
    net = mlp(dropout)
    layout = Layout(net.shapes)
    weights, batch = drawn(net, dtype, shared)
    wanted = torch.empty_like(weights)
    net.gradient(layout.by_name(weights), *batch, layout.by_name(wanted))
    assert torch.equal(probe(net, rows, batch).gradient(weights[rows]), wanted[rows])


@both_precisions
@shared_or_not
@every_problem
@every_slice
def test_a_hessian_product_has_the_same_bits_in_any_slice(
    rows: slice, dropout: float, shared: bool, dtype: torch.dtype
) -> None:
    net = mlp(dropout)
    weights, batch = drawn(net, dtype, shared)
    direction = torch.randn(weights.shape[1], dtype=dtype).expand_as(weights)
    together = probe(net, SLICES[0], batch).hessian_product(weights, direction)
    found = probe(net, rows, batch).hessian_product(weights[rows], direction[rows])
    assert torch.equal(found, together[rows])
    assert not weights.requires_grad
    assert not found.requires_grad


@shared_or_not
@every_problem
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_a_hessian_product_is_the_change_of_the_gradient(
    activation: str, dropout: float, shared: bool
) -> None:
    net, step = mlp(dropout, activation), 3e-6
    weights, batch = drawn(net, torch.float64, shared)
    direction = torch.randn_like(weights)
    asked = probe(net, SLICES[0], batch)
    ahead, behind = (asked.gradient(weights + side * direction) for side in (step, -step))
    found = asked.hessian_product(weights, direction)
    assert found.abs().max() > 0.1
    assert torch.allclose(found, (ahead - behind) / (2 * step), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "relu"])
def test_a_hessian_product_is_torchs(activation: str) -> None:
    """Trial by trial, by `torch.autograd.functional` on a network of `torch.nn`."""
    problem = mlp(activation=activation)
    weights, batch = drawn(problem, torch.float64, shared=False)
    direction = torch.randn_like(weights)
    found = probe(problem, SLICES[0], batch).hessian_product(weights, direction)
    net = network((FEATURES, 9, CLASSES), activation, 0).double()
    layout = Layout({name: tuple(one.shape) for name, one in net.named_parameters()})
    for trial in range(TRIALS):

        def loss(flat: Tensor, trial: int = trial) -> Tensor:
            parts = {name: part[0] for name, part in layout.by_name(flat[None]).items()}
            outputs = torch.func.functional_call(net, parts, (batch[0][trial],))
            return torch.nn.functional.cross_entropy(outputs, batch[1][trial])

        hvp: Any = torch.autograd.functional.hvp
        _, wanted = hvp(loss, weights[trial], direction[trial])
        assert torch.allclose(found[trial], wanted, rtol=1e-12, atol=1e-14)


def test_a_gradient_left_to_autograd_may_be_probed_too() -> None:
    net = mlp()
    weights, batch = drawn(net, torch.float64, shared=True)
    direction = torch.randn_like(weights)
    for rows in SLICES:
        one, other = probe(net, rows, batch), probe(Derived(net), rows, batch)
        here, along = weights[rows], direction[rows]
        assert torch.allclose(one.gradient(here), other.gradient(here), rtol=1e-12, atol=1e-14)
        assert torch.equal(one.hessian_product(here, along), other.hessian_product(here, along))


def test_curvature_of_a_problem_without_a_loss_is_refused() -> None:
    problem: Problem = WithoutLoss(mlp())
    inputs = torch.randn(20, FEATURES)
    examples = Examples(inputs, torch.randint(CLASSES, (20,)))
    message = "problem must be one with a differentiable method `loss`.* Got 'WithoutLoss'"
    with pytest.raises(InvalidProblem, match=message):
        train(problem, examples, examples, [Configuration("sophia")], epochs=1)
    (outcome,) = train(problem, examples, examples, [Configuration("sam")], epochs=1)
    assert outcome.metrics["loss"]


class Counting(MLP):
    """A network that counts what it is asked for."""

    gradients = losses = 0

    def gradient(self, *asked: Any) -> Tensor:
        type(self).gradients += 1
        return super().gradient(*asked)

    def loss(
        self, weights: Weights, inputs: Tensor, targets: Tensor, noise: tuple[Tensor, ...]
    ) -> Tensor:
        type(self).losses += 1
        return super().loss(weights, inputs, targets, noise)


@pytest.mark.parametrize(
    ("optimizer", "gradients", "losses"), [("adamw", 22, 0), ("sam", 44, 0), ("sophia", 22, 3)]
)
def test_only_rules_that_probe_pay_for_it(optimizer: str, gradients: int, losses: int) -> None:
    data = digits(slice(0, 110), torch.float32)
    Counting.gradients = Counting.losses = 0
    trials = [Configuration(optimizer, batch=10)] * 3
    train(Counting(64, 10, CrossEntropy(), (8,)), data, data, trials, epochs=2)
    assert (Counting.gradients, Counting.losses) == (gradients, losses)
