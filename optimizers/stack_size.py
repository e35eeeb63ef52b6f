"""How many trials to train together: found by training a few steps.

Few trials leave the framework's cost per step to a few; many outgrow the processor's caches. Where
the best number lies depends on the network, the batch and the machine. It changes no result: a
trial is the same bits in any stack.
"""

import time

import torch

from optimizers.configuration import Configuration
from optimizers.problem import Examples, Problem
from optimizers.stack import Stack

SMALLEST = 16
LARGEST = {"cpu": 256}
LARGEST_ON_ACCELERATORS = 4096
WORTH_MEASURING = 32
"""Up to so many trials train together unmeasured: cutting them wins little."""

_STEPS, _ROUNDS, _SECONDS = 6, 3, 1.0
_measured: dict[tuple[object, ...], int] = {}


def stack_size(
    problem: Problem, training: Examples, batch: int, trials: int, dtype: torch.dtype
) -> int:
    """The number of trials to train together that takes the least time a trial.

    Measured once in a process for a problem's shapes and batch size: stacks of 16, 32, 64
    ... trials train some steps, until larger ones clearly take longer or a second has passed.

    Args:
        problem: what is trained.
        training: the examples trained on, on their device.
        batch: samples a step.
        trials: how many there are to train.
        dtype: of weights and arithmetic.
    """
    if trials <= WORTH_MEASURING:
        return trials
    key = (tuple(problem.shapes.items()), batch, dtype, training.inputs.device)
    if key not in _measured:
        _measured[key] = _measure(problem, training, batch, dtype)
    return min(_measured[key], trials)


def _measure(problem: Problem, training: Examples, batch: int, dtype: torch.dtype) -> int:
    few = training.first(batch * _STEPS)
    largest = LARGEST.get(training.inputs.device.type, LARGEST_ON_ACCELERATORS)
    best = size = SMALLEST
    least, began = float("inf"), time.perf_counter()
    while size <= largest and time.perf_counter() - began < _SECONDS:
        seconds = _seconds_a_trial(problem, few, batch, size, dtype)
        if seconds > 1.25 * least:  # less may be chance
            break
        if seconds < least:
            best, least = size, seconds
        size *= 2
    return best


def _seconds_a_trial(
    problem: Problem, examples: Examples, batch: int, size: int, dtype: torch.dtype
) -> float:
    stack = Stack(
        problem,
        examples,
        examples.first(1),
        [Configuration("adam", batch=batch)] * size,
        [0] * size,
        epochs=_ROUNDS + 1,
        dtype=dtype,
        rehearsal=True,
    )
    stack.epoch()  # takes the memory
    taken = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        stack.epoch()
        taken.append(time.perf_counter() - began)
    return min(taken) / size
