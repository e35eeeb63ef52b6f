"""Networks and objectives: gradients are autograd's, weights are torch.nn's, metrics sklearn's."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from torch import Tensor, nn

from optimizers.configuration import Batch
from optimizers.models.layer_norm import normalise, slope_before
from optimizers.models.mlp import ACTIVATIONS, EVALUATION_ROWS, MLP
from optimizers.objectives import CrossEntropy, Objective, SquaredError
from optimizers.problem import ByAutograd, Examples, Weights
from tests.optimizers import peer
from tests.optimizers.alone import (
    TOLERANCES,
    compare_initial_weights,
    compare_stacks,
    compare_training,
)
from tests.optimizers.peer import network

FEATURES, BATCH, TRIALS = 7, 13, 5
DEPTHS = [(), (6,), (9, 6, 4)]

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
every_depth = pytest.mark.parametrize("hidden", DEPTHS, ids=str)
with_norm_or_not = pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
both_objectives = pytest.mark.parametrize(
    ("objective", "outputs"), [(CrossEntropy(), 3), (SquaredError(), 1)], ids=["classes", "values"]
)


class Derived(ByAutograd):
    """The same network, its gradient left to autograd."""

    def __init__(self, net: MLP) -> None:
        self.net = net

    def loss(
        self, weights: Weights, inputs: Tensor, targets: Tensor, noise: tuple[Tensor, ...]
    ) -> Tensor:
        return self.net.loss(weights, inputs, targets, noise)


def weights_of(net: MLP, seeds: Sequence[int]) -> dict[str, Tensor]:
    """A stack's weights in double precision, one seed a trial."""
    drawn = [net.initial(torch.Generator().manual_seed(seed)) for seed in seeds]
    return {name: torch.stack([one[name] for one in drawn]).double() for name in net.shapes}


def normed(widths: Sequence[int], activation: str) -> nn.Sequential:
    """Linear layers, each hidden one with layer norm and activation, as torch initialises them."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.LayerNorm(width_out)]
        layers += [peer.ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-2])


def targets_of(outputs: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Class numbers, or values for a single output."""
    if outputs == 1:
        return torch.randn(shape, generator=generator, dtype=torch.float64)
    return torch.randint(outputs, shape, generator=generator)


@pytest.mark.parametrize("shared", [True, False], ids=["shared input", "input per trial"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@every_depth
@every_activation
@both_objectives
@with_norm_or_not
def test_the_written_gradient_is_autograds(
    norm: bool,
    objective: Objective,
    outputs: int,
    activation: str,
    hidden: tuple[int, ...],
    dropout: float,
    shared: bool,
) -> None:
    net = MLP(FEATURES, outputs, objective, hidden, activation, dropout, norm)
    weights = weights_of(net, range(TRIALS))
    for weight in weights.values():  # zeros and ones would hide much
        weight.add_(torch.randn_like(weight), alpha=0.1)
    generator = torch.Generator().manual_seed(0)
    drawn = 1 if shared else TRIALS
    inputs = torch.randn(drawn, BATCH, FEATURES, generator=generator, dtype=torch.float64)
    targets = targets_of(outputs, (drawn, BATCH), generator)
    masks = [net.noise(generator, BATCH) for _ in range(drawn)]
    noise = tuple(torch.stack(layer).double() for layer in zip(*masks, strict=True))
    assert len(noise) == (len(hidden) if dropout else 0)
    batch = inputs.expand(TRIALS, -1, -1), targets.expand(TRIALS, -1)
    spread_noise = tuple(layer.expand(TRIALS, *layer.shape[1:]) for layer in noise)
    found = {name: torch.full_like(tensor, torch.nan) for name, tensor in weights.items()}
    wanted = {name: torch.full_like(tensor, torch.nan) for name, tensor in weights.items()}

    losses = net.gradient(weights, *batch, spread_noise, found)
    plain_losses = Derived(net).gradient(weights, *batch, spread_noise, wanted)

    torch.testing.assert_close(losses, plain_losses, rtol=1e-12, atol=1e-14)
    for name in weights:
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-12, atol=1e-14)


@every_depth
@every_activation
def test_outputs_are_those_of_torchs_network(hidden: tuple[int, ...], activation: str) -> None:
    net = MLP(FEATURES, 3, CrossEntropy(), hidden, activation)
    inputs = torch.randn(BATCH, FEATURES, dtype=torch.float64)
    answers = net.outputs(weights_of(net, range(TRIALS)), inputs.expand(TRIALS, -1, -1))
    assert answers.shape == (TRIALS, 3, BATCH)
    for seed, answer in enumerate(answers):
        plain = network((FEATURES, *hidden, 3), activation, seed).double()
        torch.testing.assert_close(answer.T, plain(inputs), rtol=1e-12, atol=1e-14)


@every_depth
@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_initial_weights_are_torchs_bit_for_bit(hidden: tuple[int, ...], seed: int) -> None:
    net = MLP(FEATURES, 3, CrossEntropy(), hidden)
    drawn = net.initial(torch.Generator().manual_seed(seed))
    theirs = list(network((FEATURES, *hidden, 3), "relu", seed).parameters())
    assert [tuple(tensor.shape) for tensor in drawn.values()] == list(net.shapes.values())
    assert list(drawn) == list(net.shapes)
    for ours, parameter in zip(drawn.values(), theirs, strict=True):
        assert torch.equal(ours, parameter.detach())


@every_depth
@every_activation
def test_with_layer_norm_outputs_and_gradients_are_torchs(
    hidden: tuple[int, ...], activation: str
) -> None:
    net = MLP(FEATURES, 3, CrossEntropy(), hidden, activation, norm=True)
    compare_initial_weights(net, lambda: normed((FEATURES, *hidden, 3), activation))
    inputs = 3 * torch.randn(TRIALS, BATCH, FEATURES, dtype=torch.float64)
    targets = torch.randint(3, (TRIALS, BATCH))
    for dtype in TOLERANCES:
        compare_training(
            net,
            lambda: normed((FEATURES, *hidden, 3), activation),
            inputs.to(dtype),
            targets,
            dtype,
        )


@pytest.mark.parametrize("batch", ["full", "single", 8])
@every_activation
def test_with_layer_norm_a_trial_is_the_same_bits_in_any_stack(
    activation: str, batch: Batch
) -> None:
    net = MLP(FEATURES, 3, CrossEntropy(), (13, 9), activation, dropout=0.2, norm=True)
    rows = 5 if batch == "single" else 19
    compare_stacks(net, Examples(torch.randn(rows, FEATURES), torch.arange(rows) % 3), batch)


def test_layer_norm_of_features_that_are_all_alike_is_its_bias() -> None:
    x = torch.full((TRIALS, 6, BATCH), 1e4, dtype=torch.float64)
    weight, bias = torch.randn(2, TRIALS, 6, dtype=torch.float64)
    found, passed = normalise(x, weight, bias)
    torch.testing.assert_close(found, bias.unsqueeze(2).expand_as(x), rtol=0.0, atol=1e-12)
    slope = slope_before(
        torch.randn_like(x), passed, weight, torch.empty_like(weight), torch.empty_like(bias)
    )
    assert slope.isfinite().all()


def test_dropout_keeps_the_mean_and_follows_its_generator() -> None:
    net = MLP(FEATURES, 3, CrossEntropy(), (50, 40), dropout=0.25)
    one, other = (net.noise(torch.Generator().manual_seed(5), 400) for _ in range(2))
    assert [tuple(mask.shape) for mask in one] == [(50, 400), (40, 400)]
    for mask, again in zip(one, other, strict=True):
        assert torch.equal(mask, again)
        assert set(mask.flatten().tolist()) == {0.0, float(torch.tensor(1 / 0.75))}
        assert abs(float(mask.mean()) - 1) < 0.02  # 4.6 standard deviations of the smaller mask
    assert not torch.equal(one[0][:40], one[1])
    assert net.noise(torch.Generator(), 400)[0].shape == (50, 400)
    assert MLP(FEATURES, 3, CrossEntropy(), (50,)).noise(torch.Generator(), 400) == ()


def test_evaluation_knows_no_dropout() -> None:
    examples = Examples(torch.randn(BATCH, FEATURES).double(), torch.randint(3, (BATCH,)))
    plain, dropping = (MLP(FEATURES, 3, CrossEntropy(), (8,), dropout=p) for p in (0.0, 0.9))
    weights = weights_of(plain, range(TRIALS))
    assert torch.equal(
        plain.evaluate(weights, examples)["loss"], dropping.evaluate(weights, examples)["loss"]
    )


@pytest.mark.parametrize("rows", [1, 40, EVALUATION_ROWS, 2 * EVALUATION_ROWS + 17])
def test_classification_metrics_are_sklearns(rows: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    net = MLP(FEATURES, 4, CrossEntropy(), (6,))
    weights = weights_of(net, range(TRIALS))
    inputs = 5 * torch.randn(rows, FEATURES, generator=generator, dtype=torch.float64)
    targets = torch.randint(4, (rows,), generator=generator)
    found = net.evaluate(weights, Examples(inputs, targets))
    shares = net.outputs(weights, inputs.expand(TRIALS, -1, -1)).softmax(1)  # (K, classes, rows)
    assert set(found) == {"loss", "log_loss", "accuracy"}
    assert torch.equal(found["loss"], found["log_loss"])
    for trial, share in enumerate(shares):
        wanted = sklearn_metrics.log_loss(targets, share.T.numpy(), labels=range(4))
        assert float(found["log_loss"][trial]) == pytest.approx(wanted, rel=1e-12)
        right = sklearn_metrics.accuracy_score(targets, share.argmax(0))
        assert float(found["accuracy"][trial]) == pytest.approx(right, rel=1e-15)


@settings(max_examples=20, deadline=None)
@given(
    rows=st.sampled_from([2, 40, 2 * EVALUATION_ROWS + 17]),
    scale=st.floats(1e-3, 1e6),
    mean=st.floats(-10, 10),  # `train` may have switched them off
)
def test_regression_metrics_are_sklearns_in_the_targets_unit(
    rows: int, scale: float, mean: float
) -> None:
    generator = torch.Generator().manual_seed(rows)
    net = MLP(FEATURES, 1, SquaredError(scale), (6,))
    weights = weights_of(net, range(TRIALS))
    inputs = torch.randn(rows, FEATURES, generator=generator, dtype=torch.float64)
    targets = torch.randn(rows, generator=generator, dtype=torch.float64)
    found = net.evaluate(weights, Examples(inputs, targets))
    answers = net.outputs(weights, inputs.expand(TRIALS, -1, -1)).squeeze(1).numpy()  # (K, rows)
    assert set(found) == {"loss", "rmse", "mae", "r2"}
    wanted = targets.numpy() * scale + mean
    for trial, answer in enumerate(answers * scale + mean):
        for name, score in {
            "rmse": sklearn_metrics.root_mean_squared_error,
            "mae": sklearn_metrics.mean_absolute_error,
            "r2": sklearn_metrics.r2_score,
        }.items():
            assert float(found[name][trial]) == pytest.approx(score(wanted, answer), rel=1e-8)
    assert np.allclose(found["loss"] * scale**2, found["rmse"] ** 2, rtol=1e-12)


@both_objectives
def test_the_objectives_slope_is_its_derivative(objective: Objective, outputs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    answers = torch.randn(TRIALS, outputs, BATCH, generator=generator, dtype=torch.float64)
    targets = targets_of(outputs, (TRIALS, BATCH), generator)
    leaf = answers.clone().requires_grad_()
    wanted = objective.loss(leaf, targets)
    (derivative,) = torch.autograd.grad(wanted.sum(), [leaf])
    losses, slope = objective.slope(answers.clone(), targets)
    torch.testing.assert_close(losses, wanted.detach(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(slope, derivative, rtol=1e-12, atol=1e-14)


def test_a_constant_target_explains_nothing() -> None:
    net = MLP(FEATURES, 1, SquaredError())
    examples = Examples(torch.randn(9, FEATURES).double(), torch.ones(9, dtype=torch.float64))
    r2 = net.evaluate(weights_of(net, [0, 1]), examples)["r2"]
    assert r2.isfinite().all()
    assert (r2 < 0).all()
