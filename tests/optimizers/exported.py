"""An exported configuration in a training loop of its own, as its docstring says to write one."""

from dataclasses import replace
from functools import partial
from inspect import signature

import torch
from torch import Tensor, nn

from optimizers.configuration import Configuration
from optimizers.models.mlp import MLP
from optimizers.objectives import CrossEntropy
from optimizers.problem import Examples
from optimizers.registry import find_rule
from optimizers.schedules import find_schedule
from optimizers.stack import Outcome
from optimizers.torch_export import load, torch_export
from optimizers.training import train
from tests.optimizers.peer import batches, network

SEED, ROWS, WIDTHS = 3, 40, (4, 3, 3)
"""Widths that leave no matrix a side with more than one direction that no gradient ever takes:
within several, rounding chooses the basis in which SOAP goes on."""


def examples(rows: int, seed: int) -> Examples:
    """Random rows of three classes."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(rows, WIDTHS[0], generator=generator, dtype=torch.float64)
    return Examples(inputs, torch.randint(WIDTHS[-1], (rows,), generator=generator))


TRAINING, VALIDATION = examples(ROWS, 1), examples(20, 2)


def loss_of(net: nn.Module, rows: Examples) -> Tensor:
    """Mean cross-entropy."""
    return nn.functional.cross_entropy(net(rows.inputs), rows.targets)


class Exported:
    """The training of one configuration in plain PyTorch, in double precision.

    Args:
        configuration: what is exported.
        epochs: length of the whole training.

    Attributes:
        validation_loss, training_loss: one number an epoch.
        done: epochs that lie behind.
    """

    def __init__(self, configuration: Configuration, epochs: int) -> None:
        self.net = network(WIDTHS, "tanh", SEED).double()
        batch = configuration.batch_size(ROWS)
        self._order = list(batches(SEED, ROWS, batch, epochs))
        total = epochs * len(self._order[0])
        module = load(torch_export(configuration))
        asks = "total_steps" in signature(module.make_optimizer).parameters
        self.optimizer = module.make_optimizer(self.net, *([total] if asks else []))
        self.scheduler = module.make_scheduler(self.optimizer, total)
        rule = find_rule(configuration.optimizer)
        self._probes, self._averages = rule.probes, rule.evaluation_point is not None
        self._watches = find_schedule(configuration.schedule).watches
        self.validation_loss: list[float] = []
        self.training_loss: list[float] = []
        self.done = 0

    def epoch(self) -> None:
        """Train once over the rows, then judge."""
        losses = []
        for rows in self._order[self.done]:
            self.optimizer.zero_grad()
            compute = partial(
                loss_of, self.net, Examples(TRAINING.inputs[rows], TRAINING.targets[rows])
            )
            loss = compute()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step(*([compute] if self._probes else []))
            if not self._watches:
                self.scheduler.step()
            losses.append(loss.item())
        if self._averages:
            self.optimizer.eval()
        with torch.no_grad():
            self.validation_loss.append(loss_of(self.net, VALIDATION).item())
        if self._watches:
            self.scheduler.step(self.validation_loss[-1])
        if self._averages:
            self.optimizer.train()
        self.training_loss.append(sum(losses) / len(losses))
        self.done += 1


def trained(configuration: Configuration, epochs: int) -> Exported:
    """A whole training."""
    training = Exported(configuration, epochs)
    for _ in range(epochs):
        training.epoch()
    return training


def stacked(configurations: list[Configuration], epochs: int) -> list[Outcome]:
    """The same trainings as stacks, without what differs from run to run."""
    outcomes = train(
        MLP(WIDTHS[0], WIDTHS[-1], CrossEntropy(), WIDTHS[1:-1], "tanh"),
        TRAINING,
        VALIDATION,
        configurations,
        epochs=epochs,
        seeds=SEED,
        dtype=torch.float64,
    )
    return [replace(outcome, seconds=0.0) for outcome in outcomes]
