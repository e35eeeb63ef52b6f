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
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.cases import CASES, Case
from benchmarks.peers import train_plainly
from optimizers.problem import Examples
from optimizers.training import train

RESULTS = Path(__file__).with_name("results")

Side = Callable[[Case, int, int], None]
"""``side(case, trials, epochs)`` trains."""


def loop(case: Case, trials: int, epochs: int) -> None:
    """One trial after another, as anyone would write it."""
    tensors = case.tensors()
    for configuration in case.configurations(trials):
        train_plainly(configuration, case.module, epochs, tensors, lambda *_: None)


def ensemble(case: Case, trials: int, epochs: int) -> None:
    """`torch.func` over stacked modules: one Adam and one learning rate for all of them."""
    x, y, x_held_out, y_held_out = case.tensors()
    models = [case.module() for _ in range(trials)]
    weights, _ = torch.func.stack_module_state(models)
    skeleton = models[0].to("meta")

    def loss(one: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        answers = torch.func.functional_call(skeleton, one, (inputs,))
        return nn.functional.cross_entropy(answers, targets)

    losses = torch.vmap(loss, in_dims=(0, None, None))
    optimizer = torch.optim.Adam(weights.values())
    steps = epochs * case.steps_an_epoch
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(x)), case.samples):
            optimizer.zero_grad()
            losses(weights, x[rows], y[rows]).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            losses(weights, x_held_out, y_held_out)


def stack(case: Case, trials: int, epochs: int) -> None:
    """Fallline."""
    x, y, x_held_out, y_held_out = case.tensors()
    train(
        case.problem(),
        Examples(x, y),
        Examples(x_held_out, y_held_out),
        case.configurations(trials),
        epochs=epochs,
    )


SIDES: dict[str, tuple[Side, int]] = {
    "plain loop, 1 process": (loop, 1),
    "plain loop, 2 processes": (loop, 2),
    "torch.func, 2 processes": (ensemble, 2),
    "Fallline, 2 processes": (stack, 2),
}
BASE = "plain loop, 2 processes"
LOOP_TRIALS = 7  # a process: one of each optimizer; the loop's rate does not depend on it


def measured(name: str, case: Case) -> tuple[float, float]:
    """Trial-steps per second of all processes of a side together, and the megabytes of each."""
    side, processes = SIDES[name]
    trials = LOOP_TRIALS if side is loop else case.trials
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(processes), context.SimpleQueue()
    workers = [
        context.Process(target=_measure, args=(side, case.name, trials, ready, results))
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    found: list[tuple[float, float]] = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    rates, megabytes = zip(*found, strict=True)
    return sum(rates), max(megabytes)


def _measure(side: Side, name: str, trials: int, ready: Any, results: Any) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    case = next(case for case in CASES if case.name == name)
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    side(case, trials, 1)  # everything is loaded and has its memory
    ready.wait()
    began = time.perf_counter()
    side(case, trials, case.epochs)
    seconds = time.perf_counter() - began
    results.put((trials * case.epochs * case.steps_an_epoch / seconds, _memory("VmHWM") - before))


def _memory(field: str) -> float:
    """Megabytes of this process, as Linux counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(field))


def product_peak() -> float:
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
    top = product_peak()
    table = Table(title=f"Trial-steps per second; matrix products reach {top / 1e9:.0f} GFLOP/s")
    for column in ("network", "side", "steps / s", "us a step", "ratio", "of peak", "MB"):
        table.add_column(column, justify="left" if column in {"network", "side"} else "right")
    written = []
    for case in cases:
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in SIDES}
        for _ in range(rounds):
            for name in SIDES:
                found[name].append(measured(name, case))
        rates = {name: [rate for rate, _ in of_side] for name, of_side in found.items()}
        medians = {name: statistics.median(values) for name, values in rates.items()}
        for name, median in medians.items():
            table.add_row(
                case.name,
                name,
                f"{median:,.0f}",
                f"{1e6 / median:.1f}",
                f"{median / medians[BASE]:.1f}",
                f"{median * case.flops_a_step / top:.1%}",
                f"{max(megabytes for _, megabytes in found[name]):.0f}",
            )
        table.add_section()
        written.append({"case": case.name, "found": found, "product_peak": top})
    console.print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "throughput.json").write_text(json.dumps(written, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", type=int, nargs="*", help="numbers of the cases, from 0")
    given = parser.parse_args()
    main([CASES[i] for i in given.case] if given.case else CASES, given.rounds)
