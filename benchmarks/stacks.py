"""What a trial-step costs in a stack: by the number of trials, and by their rules.

One single-threaded process; stacks take turns, epoch by epoch, and figures are medians.
"""

import statistics
import time
from collections.abc import Mapping, Sequence

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.cases import CASES, Case
from optimizers.configuration import Configuration
from optimizers.memory import estimate_bytes
from optimizers.problem import Examples
from optimizers.registry import CLASSIC, RULES
from optimizers.stack import Stack

SIZES = (1, 4, 16, 64, 256, 1024)
LARGEST = 1e9  # bytes of a stack
ROUNDS = 5
MIXES: dict[str, tuple[str, ...]] = {
    "seven classics": CLASSIC,
    "twelve of torch.optim": (
        *CLASSIC, "adadelta", "amsgrad", "adamax", "nadam", "radam",
    ),
    "twelve newer ones": (
        "lion", "signum", "yogi", "adabelief", "laprop", "adopt", "adan", "ademamix",
        "schedule_free_adamw", "lamb", "prodigy", "cautious_adamw",
    ),
}  # fmt: skip


def made(case: Case, trials: Sequence[Configuration]) -> Stack:
    """A stack of these trials, which train with small steps: nobody leaves."""
    x, y, x_held_out, y_held_out = case.tensors()
    training, held_out = Examples(x, y), Examples(x_held_out, y_held_out)
    return Stack(case.problem(), training, held_out, trials, [0] * len(trials), epochs=100)


def careful(optimizers: Sequence[str], trials: int, case: Case) -> list[Configuration]:
    """Trials with these rules in turn."""
    rate = {"learning_rate": 1e-4}
    return [
        Configuration(optimizers[i % len(optimizers)], rate, "cosine", {"warmup": 0.1}, case.batch)
        for i in range(trials)
    ]


def microseconds(stacks: Mapping[str, Stack]) -> dict[str, float]:
    """Of each stack's trial-step, evaluation after each epoch counted in."""
    taken: dict[str, list[float]] = {name: [] for name in stacks}
    for stack in stacks.values():
        stack.epoch()  # takes the memory
    for _ in range(ROUNDS):
        for name, stack in stacks.items():
            began = time.perf_counter()
            stack.epoch()
            steps = stack.trials * stack.steps_an_epoch
            taken[name].append(1e6 * (time.perf_counter() - began) / steps)
    return {name: statistics.median(times) for name, times in taken.items()}


def by_size(console: Console, cases: Sequence[Case]) -> None:
    """Microseconds a trial-step and megabytes for stacks of 1 to 1,024 trials."""
    table = Table(title="By the number of trials: microseconds a trial-step (megabytes)")
    for column in ("network", *map(str, SIZES)):
        table.add_column(column, justify="right")
    for case in cases:
        x, y, x_held_out, y_held_out = case.tensors()
        data = Examples(x, y), Examples(x_held_out, y_held_out)
        row = []
        for size in SIZES:
            trials = careful(CLASSIC, size, case)
            held = estimate_bytes(case.problem(), *data, trials, epochs=100, stack_trials=size)
            if held > LARGEST:
                row.append("")
                continue
            (cost,) = microseconds({"": made(case, trials)}).values()
            row.append(f"{cost:.1f} ({held / 1e6:.0f})")
        table.add_row(case.name, *row)
    console.print(table)


def by_rule(console: Console, case: Case, kinds: Mapping[str, tuple[str, ...]]) -> None:
    """Stacks of these rules against Adam alone."""
    table = Table(title=f"By rule: {case.trials} trials, {case.name}")
    for column in ("stack", "us a trial-step", "of Adam's"):
        table.add_column(column, justify="right" if column != "stack" else "left")
    for kind, optimizers in kinds.items():
        # Side by side with Adam, two at a time: the machine's speed wanders.
        pair = {"adam": ("adam",), "kind": optimizers}
        cost = microseconds(
            {name: made(case, careful(names, case.trials, case)) for name, names in pair.items()}
        )
        table.add_row(kind, f"{cost['kind']:.1f}", f"{cost['kind'] / cost['adam']:.2f}")
    console.print(table)


def main() -> None:
    """Measure both, print the tables."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    console = Console()
    by_size(console, [case for case in CASES if case.batch != "single"])
    for case in CASES[:3]:
        by_rule(console, case, MIXES)
    by_rule(console, CASES[1], {name: (name,) for name in RULES})


if __name__ == "__main__":
    main()
