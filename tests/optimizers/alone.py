"""A stacked problem beside one torch network a trial, and a trial beside itself in other stacks."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from optimizers.configuration import Batch, Configuration
from optimizers.models.linear_head import LinearHead
from optimizers.models.mlp import MLP
from optimizers.problem import Examples, Problem
from optimizers.stack import Outcome
from optimizers.training import train

SEEDS = (0, 7, 2**32 - 1)
TOLERANCES = {
    torch.float64: (1e-10, 1e-12),
    # Sums of some hundred numbers of size 1, added up in another order.
    torch.float32: (1e-4, 1e-5),
}
"""How far numbers may lie apart, by precision: relative and absolute."""
RULES = ("sgd", "adam", "muon", "sam", "sophia")
"""One that does as little as possible, one of Adam's kin, one that looks at matrices, one that
asks for a second gradient, and one that asks for curvature."""


def drawn(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The network as torch draws it under a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def compare_initial_weights(problem: Problem, build: Callable[[], nn.Module]) -> None:
    """Those of torch, bit for bit and in the same order."""
    for seed in SEEDS:
        ours = problem.initial(torch.Generator().manual_seed(seed))
        theirs = list(drawn(build, seed).parameters())
        assert list(ours) == list(problem.shapes)
        assert [tuple(weight.shape) for weight in ours.values()] == list(problem.shapes.values())
        for weight, parameter in zip(ours.values(), theirs, strict=True):
            assert weight.dtype == torch.float32
            assert torch.equal(weight, parameter.detach())


def compare_training(
    problem: MLP | LinearHead,
    build: Callable[[], nn.Module],
    inputs: Tensor,
    targets: Tensor,
    dtype: torch.dtype,
) -> None:
    """Outputs, losses and gradients are those of one torch network a trial.

    Args:
        problem: a classifier.
        build: the same in torch.nn; its last child is the linear layer, and dropout goes before it.
        inputs: each trial's own, (K, batch, ...).
        targets: likewise, (K, batch).
        dtype: of weights and arithmetic.
    """
    trials, batch = targets.shape
    nets = [drawn(build, seed).to(dtype) for seed in range(trials)]
    for net in nets:
        for parameter in net.parameters():  # zeros and ones would hide much
            nn.init.normal_(parameter, std=0.3)
    parameters = zip(*(net.parameters() for net in nets), strict=True)
    weights = {
        name: torch.stack([one.detach() for one in each])
        for name, each in zip(problem.shapes, parameters, strict=True)
    }
    masks = [problem.noise(torch.Generator().manual_seed(seed), batch) for seed in range(trials)]
    noise = tuple(torch.stack(each).to(dtype) for each in zip(*masks, strict=True))
    gradient = {name: torch.full_like(weight, torch.nan) for name, weight in weights.items()}

    outputs = problem.outputs(weights, inputs, noise)
    losses = problem.gradient(weights, inputs, targets, noise, gradient)

    for trial, net in enumerate(nets):
        *_, head = net.children()
        for mask in noise:
            head.register_forward_pre_hook(lambda _, x, mask=mask[trial]: x[0] * mask.T)
        answers = net(inputs[trial])
        loss = cross_entropy(answers, targets[trial])
        wanted = torch.autograd.grad(loss, list(net.parameters()))
        pairs = [(outputs[trial].T, answers), (losses[trial], loss)]
        pairs += zip((each[trial] for each in gradient.values()), wanted, strict=True)
        for ours, theirs in pairs:
            rtol, atol = TOLERANCES[dtype]
            torch.testing.assert_close(ours, theirs.detach(), rtol=rtol, atol=atol)


def compare_stacks(
    problem: Problem, examples: Examples, batch: Batch, rules: Sequence[str] = RULES
) -> None:
    """A trial is the same bits alone and among others, with its own seed or a shared one."""
    trials = [Configuration(rule, {"learning_rate": 0.01}, batch=batch) for rule in rules]
    trials += [replace(trials[0], schedule="linear"), replace(trials[1], schedule="linear")]

    def run(seeds: Sequence[int] | int, size: int) -> list[Outcome]:
        outcomes = train(
            problem, examples, examples, trials, epochs=2, seeds=seeds, stack_trials=size
        )
        assert all(len(outcome.training_loss) == 2 for outcome in outcomes)
        return [replace(outcome, seconds=0.0) for outcome in outcomes]

    own = [trial % 3 for trial in range(len(trials))]
    shared_together, own_together = run(0, len(trials)), run(own, len(trials))
    assert run(0, 1) == run(0, 3) == shared_together
    assert run(own, 1) == own_together
    assert own_together[::3] == shared_together[::3]  # those whose own seed is 0


def accuracy(
    problem: Problem, training: Examples, validation: Examples, rate: float, epochs: int
) -> float:
    """What Adam reaches on the validation examples."""
    adam = Configuration("adam", {"learning_rate": rate}, "linear", batch=32)
    (outcome,) = train(problem, training, validation, [adam], epochs=epochs)
    return outcome.metrics["accuracy"][-1]
