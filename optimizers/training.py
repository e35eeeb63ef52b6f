"""Train any number of configurations on one problem, as few stacks as fit."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from optimizers.configuration import Configuration
from optimizers.plan import Plan, plan
from optimizers.problem import Examples, Problem
from optimizers.stack import Outcome, Stack


def train(
    problem: Problem,
    training: Examples,
    validation: Examples,
    configurations: Sequence[Configuration],
    *,
    epochs: int,
    seeds: Sequence[int] | int = 0,
    test: Examples | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    stack_trials: int | None = None,
    keep_weights: bool = False,
    keep_going: Callable[[], bool] = lambda: True,
) -> list[Outcome]:
    """Train every configuration; trials with equal batch sizes train as stacks.

    What comes of a trial does not depend on the others, nor on ``stack_trials``.

    Args:
        problem: what is trained.
        training: the examples trained on.
        validation: the examples that every epoch is judged on.
        configurations: one a trial.
        epochs: passes over the training examples; schedules span them all.
        seeds: one a trial, or one for all; each at least 0 and below 2**32.
        test: examples that every trial is judged on once, after its last epoch.
        dtype: of weights and arithmetic.
        device: where to train.
        stack_trials: the most trials trained together; None finds the quickest, see `stack_size`.
        keep_weights: whether outcomes have the weights after the last epoch.
        keep_going: asked before every step of every stack; False ends the training there.

    Returns:
        One outcome a configuration, in their order; a shorter curve where it was ended early.

    Raises:
        InvalidProblem: no configurations, no epochs, not one seed a configuration, or examples
            that do not fit the problem.
    """
    outcomes: dict[int, Outcome] = {}
    with _denormals_as_zeros():
        planned = plan(
            problem,
            training,
            validation,
            configurations,
            epochs,
            seeds,
            dtype,
            device,
            stack_trials,
            test,
        )
        for members in planned.stacks:
            ended = _run(planned.stack(members), planned, keep_going, keep_weights=keep_weights)
            outcomes.update(zip(members, ended, strict=True))
    return [outcomes[trial] for trial in range(len(configurations))]


def _run(
    stack: Stack, planned: Plan, keep_going: Callable[[], bool], *, keep_weights: bool
) -> list[Outcome]:
    """Train a stack to its end; each trial bears an equal share of the time."""
    began = time.perf_counter()
    for _ in range(planned.epochs):
        if not stack.trials or not stack.epoch(keep_going):
            break
    else:
        if planned.test is not None and stack.trials:
            stack.test(planned.test)
        if keep_weights:
            stack.hand_out()
    seconds = (time.perf_counter() - began) / len(stack.outcomes)
    for outcome in stack.outcomes:
        outcome.seconds = seconds
    return stack.outcomes


@contextmanager
def _denormals_as_zeros() -> Iterator[None]:
    """Denormals, which decaying averages end in, are a hundred times slower than zeros.

    The processor's switch is the calling thread's alone. So with several threads it stays off: no
    result may depend on which of them computed it.
    """
    torch.set_flush_denormal(torch.get_num_threads() == 1)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
