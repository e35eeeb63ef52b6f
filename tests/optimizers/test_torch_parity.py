"""The stacked rules equal torch.optim: fed its gradients, and over whole trainings of their own.

Errors are the largest difference over the largest number, as in a maximum norm.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from optimizers.configuration import Batch, Configuration
from optimizers.layout import Layout
from optimizers.models.mlp import MLP
from optimizers.objectives import CrossEntropy
from optimizers.registry import CLASSIC, RULES
from optimizers.training import train
from tests.optimizers.drive import arrive, drive, spread
from tests.optimizers.mixed import mixed
from tests.optimizers.peer import ORACLES, batches, digits, network, train_plainly

TRIALS, STEPS, LOOKED_AT = 4, 200, (1, 10, 200)
WITHIN = {torch.float64: 1e-12, torch.float32: 2e-5}
SHAPES: list[tuple[int, ...]] = [(), (5,), (2, 3, 4, 5)]  # a scalar, a vector, a kernel
NETWORK = Layout({"w1": (32, 64), "b1": (32,), "w2": (10, 32), "b2": (10,)})

every_oracle = pytest.mark.parametrize("name", ORACLES)
both_precisions = pytest.mark.parametrize("dtype", WITHIN, ids=str)


class Recording(NamedTuple):
    """Separate torch.optim runs: what they started from, were fed, and came to."""

    trials: list[dict[str, float]]
    start: Tensor  # (K, P)
    gradients: Tensor  # (steps, K, P)
    seen: dict[int, dict[str, Tensor]]  # by step: weights and state, each (K, P)


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """All numbers of some tensors in a row."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def error(found: Tensor, wanted: Tensor) -> float:
    """Largest difference over largest wanted number, the worst trial's."""
    scale = wanted.abs().amax(1).clamp(min=torch.finfo(wanted.dtype).tiny)
    return float(((found - wanted).abs().amax(1) / scale).max())


def snapshot(name: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights and state of a torch optimizer, under the rule's names."""
    parameters, oracle = optimizer.param_groups[0]["params"], ORACLES[name]
    memory = {
        ours: flat([oracle.remembered(ours, optimizer.state[p]) for p in parameters])
        for ours in oracle.state
    }
    return {"weights": flat(parameters)} | memory


def stacked(ones: list[dict[int, dict[str, Tensor]]]) -> dict[int, dict[str, Tensor]]:
    """Snapshots of all trials as one, each (K, P)."""
    return {
        step: {key: torch.stack([one[step][key] for one in ones]) for key in ones[0][step]}
        for step in ones[0]
    }


@cache
def record(name: str, dtype: torch.dtype) -> Recording:
    """Train K 64-32-10 networks on digits with torch.optim, one after another."""
    training = digits(slice(0, 1280), dtype)
    trials = spread(RULES[name], TRIALS)
    starts, gradients, seen = [], [], []
    for seed, h in enumerate(trials):
        net = network((64, 32, 10), "relu", seed).to(dtype)
        parameters = list(net.parameters())
        optimizer = ORACLES[name].build(parameters, {**h, "total_steps": STEPS})
        starts.append(flat(parameters))
        fed: list[Tensor] = []
        looks: dict[int, dict[str, Tensor]] = {}
        for rows in [rows for epoch in batches(seed, 1280, 64, STEPS // 20) for rows in epoch]:
            optimizer.zero_grad()
            nn.functional.cross_entropy(
                net(training.inputs[rows]), training.targets[rows]
            ).backward()  # type: ignore[no-untyped-call]
            fed.append(flat([p.grad for p in parameters if p.grad is not None]))
            optimizer.step()
            if len(fed) in LOOKED_AT:
                looks[len(fed)] = snapshot(name, optimizer)
        gradients.append(torch.stack(fed))
        seen.append(looks)
    return Recording(trials, torch.stack(starts), torch.stack(gradients, 1), stacked(seen))


def test_every_classic_rule_has_an_oracle() -> None:
    assert set(CLASSIC) <= set(ORACLES) <= set(RULES)
    assert all(set(ORACLES[name].state) == set(RULES[name].state) for name in ORACLES)


@both_precisions
@every_oracle
def test_fed_the_same_gradients_weights_and_state_are_torchs(name: str, dtype: torch.dtype) -> None:
    recording = record(name, dtype)
    assert all(
        len({trial[h.name] for trial in recording.trials}) == TRIALS
        for h in RULES[name].hyperparameters
        if h.searched
    )
    driven = drive(
        RULES[name],
        recording.trials,
        recording.start,
        lambda step, _: recording.gradients[step],
        STEPS,
        NETWORK,
    )
    for step, (weights, state) in enumerate(driven, 1):
        if step in recording.seen:
            for key, wanted in recording.seen[step].items():
                found = weights if key == "weights" else state[key]
                assert wanted.isfinite().all()
                assert error(found, wanted) <= WITHIN[dtype], (step, key)


@both_precisions
@pytest.mark.parametrize("trials", [1, 4])
@every_oracle
def test_unusual_shapes_and_gradients_are_torchs(
    name: str, trials: int, dtype: torch.dtype
) -> None:
    """Ordinary gradients, none at all, tiny and huge ones; a stack of four and of one."""
    generator = torch.Generator().manual_seed(0)
    numbers = sum(torch.Size(shape).numel() for shape in SHAPES)
    scales = torch.tensor([1.0, 0.0, 1e-8, 1e4], dtype=dtype)[:trials, None]
    start = torch.randn(trials, numbers, generator=generator, dtype=dtype)
    gradients = torch.randn(30, trials, numbers, generator=generator, dtype=dtype) * scales
    hyperparameters = spread(RULES[name], trials)
    ends = []
    for trial, h in enumerate(hyperparameters):
        parts = torch.split(start[trial], [torch.Size(shape).numel() for shape in SHAPES])
        parameters = [
            nn.Parameter(part.clone().view(shape))
            for part, shape in zip(parts, SHAPES, strict=True)
        ]
        optimizer = ORACLES[name].build(parameters, {**h, "total_steps": 30})
        for gradient in gradients[:, trial]:
            sizes = [parameter.numel() for parameter in parameters]
            for parameter, part in zip(parameters, torch.split(gradient, sizes), strict=True):
                parameter.grad = part.view(parameter.shape)
            optimizer.step()
        ends.append({30: snapshot(name, optimizer)})
    layout = Layout({str(place): shape for place, shape in enumerate(SHAPES)})
    weights, state = arrive(
        RULES[name], hyperparameters, start, lambda step, _: gradients[step], 30, layout
    )
    for key, wanted in stacked(ends)[30].items():
        assert error(weights if key == "weights" else state[key], wanted) <= WITHIN[dtype], key


@pytest.mark.parametrize(
    ("batch", "rows", "epochs"),
    [("full", 100, 12), ("single", 6, 2), (64, 150, 4)],
    ids=["full", "single", "64 with a ragged end"],
)
@pytest.mark.parametrize(
    ("hidden", "activation"),
    [((), "relu"), ((16,), "relu"), ((16,), "tanh"), ((16,), "gelu")],
    ids=["linear", "relu", "tanh", "gelu"],
)
def test_whole_trainings_are_torchs(
    hidden: tuple[int, ...], activation: str, batch: Batch, rows: int, epochs: int
) -> None:
    """Own initial weights, batches, gradients and schedules: the curves agree, 12 steps long."""
    training, validation = digits(slice(0, rows)), digits(slice(1000, 1100))
    trials = mixed(batch, ORACLES)
    seeds = [3 + trial % 2 for trial in range(len(trials))]
    outcomes = train(
        MLP(64, 10, CrossEntropy(), hidden, activation),
        training,
        validation,
        trials,
        epochs=epochs,
        seeds=seeds,
        dtype=torch.float64,
    )
    for trial, seed, outcome in zip(trials, seeds, outcomes, strict=True):
        net = network((64, *hidden, 10), activation, seed)
        plain = train_plainly(net, training, validation, trial, epochs, seed)
        steps = torch.tensor(plain.step_losses, dtype=torch.float64).view(epochs, -1)
        assert outcome.metrics["loss"] == pytest.approx(plain.validation, rel=1e-12)
        assert outcome.training_loss == pytest.approx(steps.mean(1).tolist(), rel=1e-12)


def test_a_training_with_dropout_is_torchs_under_the_same_masks() -> None:
    """Masks come from a stream of the seed's own, one mask a step and hidden layer."""
    training, validation, seed = digits(slice(0, 150)), digits(slice(1000, 1100)), 11
    trials = [*mixed(64), Configuration("sgd", {"learning_rate": 0.2})]
    outcome = train(
        MLP(64, 10, CrossEntropy(), (12,), "tanh", dropout=0.3),
        training,
        validation,
        trials,
        epochs=4,
        seeds=[5] * (len(trials) - 1) + [seed],
        dtype=torch.float64,
    )[-1]
    net = network((64, 12, 10), "tanh", seed).double()
    optimizer = torch.optim.SGD(net.parameters(), 0.2)
    generator = torch.Generator().manual_seed(seed + 2**33)
    for epoch, loss in zip(batches(seed, 150, 64, 4), outcome.metrics["loss"], strict=True):
        for rows in epoch:
            mask = torch.empty(12, len(rows)).bernoulli_(0.7, generator=generator).div_(0.7)
            hidden = net[:2](training.inputs[rows]) * mask.T
            optimizer.zero_grad()
            nn.functional.cross_entropy(net[2](hidden), training.targets[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            answers = net(validation.inputs)
        wanted = nn.functional.cross_entropy(answers, validation.targets).item()
        assert loss == pytest.approx(wanted, rel=1e-12)
