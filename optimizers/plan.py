"""What is to be trained, checked, and cut into stacks."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from optimizers.configuration import Configuration
from optimizers.errors import InvalidProblem, whole_number
from optimizers.problem import Examples, Problem
from optimizers.stack import Stack
from optimizers.stack_size import stack_size


@dataclass(frozen=True)
class Plan:
    """All of a training, before it begins.

    Attributes:
        problem: what is trained.
        training: the examples trained on, on their device.
        validation: likewise those that every epoch is judged on.
        test: likewise those that come after the last epoch, if any.
        configurations: one a trial.
        seeds: one a trial.
        epochs: passes over the training examples.
        dtype: of weights and arithmetic.
        stacks: which trials train together, by their numbers.
    """

    problem: Problem
    training: Examples
    validation: Examples
    test: Examples | None
    configurations: Sequence[Configuration]
    seeds: Sequence[int]
    epochs: int
    dtype: torch.dtype
    stacks: Sequence[Sequence[int]]

    def stack(self, members: Sequence[int], *, rehearsal: bool = False) -> Stack:
        """These trials, ready to be trained; in a rehearsal nobody leaves."""
        return Stack(
            self.problem,
            self.training,
            self.validation,
            [self.configurations[trial] for trial in members],
            [self.seeds[trial] for trial in members],
            self.epochs,
            self.dtype,
            rehearsal=rehearsal,
        )


def plan(
    problem: Problem,
    training: Examples,
    validation: Examples,
    configurations: Sequence[Configuration],
    epochs: int,
    seeds: Sequence[int] | int,
    dtype: torch.dtype,
    device: torch.device | str,
    stack_trials: int | None,
    test: Examples | None = None,
) -> Plan:
    """Check everything, and decide who trains with whom; the arguments are those of `train`.

    Raises:
        InvalidProblem: as `train`.
    """
    if not configurations:
        raise InvalidProblem("configurations", configurations, "at least one")
    whole_number("epochs", epochs, least=1)
    if stack_trials is not None:
        whole_number("stack_trials", stack_trials, least=1)
    each_seed = [seeds] * len(configurations) if isinstance(seeds, int) else list(seeds)
    if len(each_seed) != len(configurations):
        raise InvalidProblem("seeds", len(each_seed), f"{len(configurations)} numbers, one a trial")
    for seed in each_seed:
        whole_number("seeds", seed, least=0, below=2**32)
    if not dtype.is_floating_point:
        raise InvalidProblem("dtype", dtype, "a floating type")
    for examples in (training, validation, test):
        if examples is not None:
            problem.check(examples)
    training = training.to(torch.device(device), dtype)
    validation = validation.to(torch.device(device), dtype)
    test = None if test is None else test.to(torch.device(device), dtype)

    by_batch: dict[int, list[int]] = defaultdict(list)
    for trial, configuration in enumerate(configurations):
        by_batch[configuration.batch_size(len(training))].append(trial)
    stacks = []
    # Large batches first, which are soon done: a training that is ended early has something then.
    for batch, members in sorted(by_batch.items(), reverse=True):
        # Few rules a stack: each costs its kernels once, however many trials follow it.
        members.sort(key=lambda trial: configurations[trial].optimizer)
        size = stack_trials or stack_size(problem, training, batch, len(members), dtype)
        stacks += [members[first : first + size] for first in range(0, len(members), size)]
    return Plan(
        problem, training, validation, test, configurations, each_seed, epochs, dtype, stacks
    )
