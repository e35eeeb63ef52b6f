"""How much memory a training takes, known before it begins."""

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from optimizers.configuration import Configuration
from optimizers.layout import Layout
from optimizers.plan import Plan, plan
from optimizers.problem import Examples, Problem
from optimizers.registry import find_rule
from optimizers.stack import Stack, judged_together

_SAMPLES = (2, 4)  # trials; a lone one would get an idle row beside it
_SAMPLE_STEPS = 12  # some rules do their rare work every tenth step


def estimate_bytes(
    problem: Problem,
    training: Examples,
    validation: Examples,
    configurations: Sequence[Configuration],
    *,
    epochs: int,
    seeds: Sequence[int] | int = 0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    stack_trials: int | None = None,
) -> int:
    """The most bytes of tensors that `train` will hold at once with these arguments.

    Weights, gradients, states of the rules, activations and shuffled examples of the stack that
    holds most; the examples that are given are not counted. Two and four trials of each optimizer
    take some steps while every tensor that they make is counted; the rest is multiplication.

    Raises:
        InvalidProblem: as `train`.
    """
    planned = plan(
        problem, training, validation, configurations, epochs, seeds, dtype, device, stack_trials
    )
    return max(_stack_bytes(planned, members) for members in planned.stacks)


def state_bytes(
    optimizer: str, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype = torch.float32
) -> int:
    """What an optimizer remembers of ONE trial from step to step, in bytes.

    Nothing for gradient descent, one number a weight for momentum, two for Adam; rules for
    matrices hold what their shapes ask for.

    Args:
        optimizer: the name of its rule.
        shapes: of the model's tensors, by name, as `Problem.shapes`.
        dtype: of the weights.

    Raises:
        UnknownName: there is no such optimizer.
    """
    layout = Layout(shapes)
    # The meta device would do without the numbers, but imports the compiler: seconds.
    weights = torch.zeros(1, layout.size, dtype=dtype)
    return sum(part.nbytes for part in find_rule(optimizer).initial_state(weights, layout).values())


class _Bytes(NamedTuple):
    """What some work leaves alive, and what it needs besides while it goes on."""

    held: float
    passing: float


def _stack_bytes(planned: Plan, members: Sequence[int]) -> int:
    trials = [planned.configurations[trial] for trial in members]
    layout, device = Layout(planned.problem.shapes), planned.training.inputs.device
    streams = len({planned.seeds[trial] for trial in members})
    batch = trials[0].batch_size(len(planned.training))
    few = planned.training.first(2 * batch)
    sample = replace(
        planned,
        training=few,
        validation=planned.validation.first(1),
        epochs=-(-planned.epochs * len(planned.training) // len(few)),
    )

    def train_some(optimizer: str, count: int) -> Stack:
        seeds = list(range(count)) if streams > 1 else [0] * count
        some = [Configuration(optimizer, batch=batch)] * count
        rehearsed = replace(sample, configurations=some, seeds=seeds)
        stack = rehearsed.stack(range(count), rehearsal=True)
        for _ in range(min(-(-_SAMPLE_STEPS * batch // len(few)), sample.epochs)):
            stack.epoch()
        return stack

    def judge(count: int) -> None:
        weights = torch.zeros(count, layout.size, dtype=planned.dtype, device=device)
        with torch.no_grad():
            planned.problem.evaluate(layout.by_name(weights), planned.validation)

    kinds = [
        (count, *_line(partial(train_some, optimizer)))
        for optimizer, count in Counter(trial.optimizer for trial in trials).items()
    ]
    held = sum(count * each.held for count, each, _ in kinds)
    held += max(shared.held for *_, shared in kinds)
    stepping = sum(count * each.passing for count, each, _ in kinds)
    stepping += max(shared.passing for *_, shared in kinds)
    stepping += streams * (_size(planned.training) - _size(few))  # in the order of an epoch
    each, shared = _line(judge)
    judging = judged_together(len(trials), device) * each.passing + shared.passing
    return round(held + max(stepping, judging))


def _line(work: Callable[[int], object]) -> tuple[_Bytes, _Bytes]:
    """Of each trial, and of all together, whatever their number."""
    few, more = (_measured(partial(work, count)) for count in _SAMPLES)
    each = _Bytes(*((b - a) / (_SAMPLES[1] - _SAMPLES[0]) for a, b in zip(few, more, strict=True)))
    return each, _Bytes(*(a - _SAMPLES[0] * b for a, b in zip(few, each, strict=True)))


def _measured(work: Callable[[], object]) -> _Bytes:
    tally = Tally()
    with tally:
        left = work()
        held = tally.now
        del left
    return _Bytes(held, tally.peak - held)


def _size(examples: Examples) -> int:
    return examples.inputs.nbytes + examples.targets.nbytes


class Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context that counts the bytes of all tensors made inside it.

    Attributes:
        now: of those that are alive.
        peak: the most that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        # What comes from outside is known before it is seen among the results.
        self._known.update(_storages((*args, *kwargs.values())))
        results = func(*args, **kwargs)
        for storage in _storages((results,)):
            if storage not in self._known:
                self._known.add(storage)
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._free, storage.nbytes())
        return results

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing compiles here; saying so would import the compiler, 2 seconds

    def _free(self, size: int) -> None:
        self.now -= size


def _storages(values: Iterable[Any]) -> Iterator[torch.UntypedStorage]:
    """Of the tensors among an operation's arguments or results, and in lists of them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value.untyped_storage()
        elif isinstance(value, list | tuple):
            yield from _storages(value)
