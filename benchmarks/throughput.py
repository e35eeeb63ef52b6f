"""Training steps per second, trial by trial: a plain loop against stacks, side by side.

Each side trains the same configurations (mixed optimizers and schedules) on the same data, with
shuffled batches, a scheduler step each step and an evaluation after each epoch, in one or two
single-threaded processes. Sides take turns; figures are medians over the rounds.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benchmarks.peers import train_plainly
from optimizers.configuration import Batch, Configuration
from optimizers.models.mlp import MLP
from optimizers.objectives import CrossEntropy
from optimizers.problem import Examples
from optimizers.training import train
from studies.spec import BudgetSpec, ModelSpec, StudySpec

RESULTS = Path(__file__).with_name("results")
PEERED = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")


@dataclass(frozen=True)
class Case:
    """What is trained: a network, a batch, and how much of it."""

    features: int
    hidden: int
    batch: Batch
    trials: int
    epochs: int

    @property
    def name(self) -> str:
        """As in the table."""
        return f"{self.features}-{self.hidden}-10, batch {self.batch}"

    def configurations(self, trials: int) -> list[Configuration]:
        """Mixed optimizers at their defaults, under a cosine."""
        return [
            Configuration(PEERED[i % len(PEERED)], {}, "cosine", {"warmup": 0.1}, self.batch)
            for i in range(trials)
        ]

    @property
    def flops_a_step(self) -> float:
        """Multiply-adds of one step's matrix products, counted twice; no slope for the input."""
        samples = 1437 if self.batch == "full" else 1 if self.batch == "single" else self.batch
        return 2 * samples * self.hidden * (2 * self.features + 3 * 10)


CASES = (
    Case(64, 32, 32, 64, 4),
    Case(64, 128, 64, 64, 6),
    Case(64, 256, 128, 64, 8),
    Case(784, 256, 256, 16, 4),
    Case(64, 128, "single", 128, 1),
)

Side = Callable[[Case, int, int], int]
"""``side(case, trials, epochs)`` trains and returns the number of trial-steps."""


@cache
def data(case: Case) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Digits, or random rows where there are more features; 1437 for training, 360 held out."""
    inputs, targets = load_digits(return_X_y=True)
    x, y = torch.tensor(inputs / 16, dtype=torch.float32), torch.tensor(targets)
    if case.features != 64:
        x = torch.rand(len(x), case.features, generator=torch.Generator().manual_seed(0))
    return x[:1437], y[:1437], x[1437:], y[1437:]


def steps(case: Case, epochs: int) -> int:
    """Steps of one trial."""
    return epochs * -(-1437 // case.configurations(1)[0].batch_size(1437))


def loop(case: Case, trials: int, epochs: int) -> int:
    """One trial after another, as anyone would write it."""
    spec = StudySpec(model=ModelSpec(hidden=[case.hidden]), budget=BudgetSpec(epochs=epochs))
    tensors = list(data(case))
    for configuration in case.configurations(trials):
        train_plainly(configuration, spec, tensors, 10, lambda *_: None)
    return trials * steps(case, epochs)


def ensemble(case: Case, trials: int, epochs: int) -> int:
    """`torch.func` over stacked modules: one Adam and one learning rate for all of them."""
    x, y, x_held_out, y_held_out = data(case)
    models = [
        nn.Sequential(nn.Linear(case.features, case.hidden), nn.ReLU(), nn.Linear(case.hidden, 10))
        for _ in range(trials)
    ]
    weights, _ = torch.func.stack_module_state(models)
    skeleton = models[0].to("meta")

    def loss(one: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        answers = torch.func.functional_call(skeleton, one, (inputs,))
        return nn.functional.cross_entropy(answers, targets)

    losses = torch.vmap(loss, in_dims=(0, None, None))
    optimizer = torch.optim.Adam(weights.values())
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps(case, epochs))
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(1437), case.configurations(1)[0].batch_size(1437)):
            optimizer.zero_grad()
            losses(weights, x[rows], y[rows]).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            losses(weights, x_held_out, y_held_out)
    return trials * steps(case, epochs)


def stack(case: Case, trials: int, epochs: int) -> int:
    """Fallline."""
    x, y, x_held_out, y_held_out = data(case)
    problem = MLP(case.features, 10, CrossEntropy(), [case.hidden])
    train(
        problem,
        Examples(x, y),
        Examples(x_held_out, y_held_out),
        case.configurations(trials),
        epochs=epochs,
    )
    return trials * steps(case, epochs)


SIDES: dict[str, tuple[Side, int]] = {
    "plain loop, 1 process": (loop, 1),
    "plain loop, 2 processes": (loop, 2),
    "torch.func, 2 processes": (ensemble, 2),
    "Fallline, 2 processes": (stack, 2),
}
BASE = "plain loop, 2 processes"
LOOP_TRIALS = 7  # a process: one of each optimizer; the loop's rate does not depend on it


def rate(name: str, case: Case) -> float:
    """Trial-steps per second of a side, all its processes together."""
    side, processes = SIDES[name]
    trials = LOOP_TRIALS if side is loop else case.trials
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(processes), context.SimpleQueue()
    workers = [
        context.Process(target=_measure, args=(side, case, trials, ready, results))
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    measured: list[tuple[int, float]] = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    return sum(done / seconds for done, seconds in measured)


def _measure(side: Side, case: Case, trials: int, ready: Any, results: Any) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    side(case, trials, 1)  # everything is loaded and has its memory
    ready.wait()
    began = time.perf_counter()
    done = side(case, trials, case.epochs)
    results.put((done, time.perf_counter() - began))


def peak() -> float:
    """Multiply-adds a second (counted twice) of large matrix products on all cores."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    a = torch.randn(2048, 2048)
    seconds: list[float] = []
    for _ in range(7):
        began = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - began)
    return 2.0 * 2048**3 / statistics.median(seconds)


def main(cases: Sequence[Case] = CASES, rounds: int = 3) -> None:
    """Measure all cases, print the table, write JSON."""
    console = Console()
    top = peak()
    table = Table(title=f"Trial-steps per second; matrix products reach {top / 1e9:.0f} GFLOP/s")
    for column in ("network", "side", "steps / s", "us a step", "ratio", "of peak"):
        table.add_column(column, justify="left" if column in {"network", "side"} else "right")
    written = []
    for case in cases:
        rates: dict[str, list[float]] = {name: [] for name in SIDES}
        for _ in range(rounds):
            for name in SIDES:
                rates[name].append(rate(name, case))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        for name, found in medians.items():
            table.add_row(
                case.name,
                name,
                f"{found:,.0f}",
                f"{1e6 / found:.1f}",
                f"{found / medians[BASE]:.1f}",
                f"{found * case.flops_a_step / top:.1%}",
            )
        table.add_section()
        written.append({"case": case.name, "rates": rates, "peak": top})
    console.print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "throughput.json").write_text(json.dumps(written, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", type=int, nargs="*", help="numbers of the cases, from 0")
    given = parser.parse_args()
    main([CASES[i] for i in given.case] if given.case else CASES, given.rounds)
