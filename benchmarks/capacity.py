"""What one server can keep busy: a simulation of workers, studies and the costs that were measured.

The server is one Python process, so one thing at a time: it asks, tells and stores. The scheduler hands
out waves likewise. A study has half as many waves again under way as there are workers, and is told of
them in the order in which it asked. Lengths of waves vary by a fifth each way. With few workers the
simulation can be held against `benchmarks.workers`, where everything but the training is real.
Run alone: ``python -m benchmarks.capacity``.
"""

import argparse
import random
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy
from rich.console import Console
from rich.table import Table

SPREAD = 0.2  # of a wave's length, each way
WAVES = 12  # for each worker, on average
Steps = Generator[simpy.Event, Any, Any]


@dataclass(frozen=True)
class Costs:
    """Milliseconds of one process's time.

    Attributes:
        trial: of the server, to propose, tell and store one trial, and
        wave: for each wave besides, mostly to fit the model; together what `benchmarks.overhead` found at
            100 trials (in waves of 25 then) and at 10,000 (waves of 256).
        task: of the scheduler, for each wave.
    """

    trial: float = 0.9
    wave: float = 75.0
    task: float = 2.2


@dataclass(frozen=True)
class Load:
    """What there is to do.

    Attributes:
        workers: processes that train.
        studies: that run at once, and share them evenly.
        trials: of a wave.
        seconds: that a wave trains, on average.
    """

    workers: int
    studies: int
    trials: int
    seconds: float


@dataclass(frozen=True)
class Found:
    """What came of it.

    Attributes:
        busy: share of the workers' time in which they trained.
        server: share of the server's time in which it worked.
        trials: that ended, a second.
    """

    busy: float
    server: float
    trials: float


def simulate(load: Load, costs: Costs, waves_each: int = WAVES, seed: int = 0) -> Found:
    """Let the studies run for a while, from cold."""
    drawn = random.Random(seed)
    clock = simpy.Environment()
    server, scheduler = simpy.Resource(clock), simpy.Resource(clock)
    workers = simpy.Resource(clock, load.workers)
    spent = {"training": 0.0, "serving": 0.0}
    half = load.trials * costs.trial / 2000 + costs.wave / 2000  # to ask, and as much to tell

    def serve(seconds: float) -> Steps:
        with server.request() as turn:
            yield turn
            yield clock.timeout(seconds)
            spent["serving"] += seconds

    def wave() -> Steps:
        with scheduler.request() as turn:
            yield turn
            yield clock.timeout(costs.task / 1000)
        with workers.request() as worker:
            yield worker
            seconds = load.seconds * drawn.uniform(1 - SPREAD, 1 + SPREAD)
            yield clock.timeout(seconds)
            spent["training"] += seconds

    def study(waves: int, in_flight: int) -> Steps:
        under_way: deque[simpy.Process] = deque()
        while waves or under_way:
            while waves and len(under_way) < in_flight:
                yield clock.process(serve(half))
                under_way.append(clock.process(wave()))
                waves -= 1
            yield under_way.popleft()
            yield clock.process(serve(half))

    share = load.workers / load.studies
    waves = round(waves_each * share)
    in_flight = round(share + (share - 1) // 2)
    for _ in range(load.studies):
        clock.process(study(waves, max(1, in_flight)))
    clock.run()
    return Found(
        busy=spent["training"] / (load.workers * clock.now),
        server=spent["serving"] / clock.now,
        trials=load.studies * waves * load.trials / clock.now,
    )


def main(given: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 64, 256, 1024])
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 5.0, 30.0, 300.0])
    parser.add_argument("--trials", type=int, default=64, help="of a wave")
    parser.add_argument("--share", type=int, default=16, help="workers of one study, at most")
    parser.add_argument("--waves", type=int, default=WAVES, help="for each worker, on average")
    chosen = parser.parse_args(given)
    title = "Workers busy, server busy, trials a second"
    shown = Table("workers", "studies", *(f"waves of {s:g} s" for s in chosen.seconds), title=title)
    for workers in chosen.workers:
        studies = -(-workers // chosen.share)
        cells = []
        for seconds in chosen.seconds:
            found = simulate(Load(workers, studies, chosen.trials, seconds), Costs(), chosen.waves)
            cells.append(f"{found.busy:.1%}  {found.server:.0%}  {found.trials:,.0f}")
        shown.add_row(f"{workers:,}", str(studies), *cells)
    Console().print(shown)


if __name__ == "__main__":
    main()
