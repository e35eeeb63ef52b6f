"""How well more workers are used: studies on 1, 2 and more of them, with waves that last a given time.

The whole way is real (server's runner, database, scheduler, worker processes), but a wave sleeps in
place of training, so that many workers fit on a few cores. Lengths vary by a fifth each way,
drawn by the wave's number, and results follow from the configurations. Ideal is that no worker ever
waits. Beside it, on the cores that there are, what really trains: ``python -m benchmarks.workers``.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer

from benchmarks.overhead import Stage
from service import datasets, jobs
from service.database import Database
from service.engine import Engine, Work
from service.idempotency import Asked
from service.runner import Runner
from service.store import Store
from service.worker import Wave
from studies.resolve import resolve
from studies.spec import StudySpec
from studies.wave import TrialResult

SPREAD = 0.2  # of a wave's length, each way
WAVES = 12  # for each worker
OWNER = "benchmark"


def length(seconds: float, wave: int) -> float:
    """How long a wave lasts."""
    return seconds * random.Random(wave).uniform(1 - SPREAD, 1 + SPREAD)


def doze(wave: Wave, seconds: float) -> list[TrialResult]:
    """Sleep, and say that every trial was trained."""
    time.sleep(length(seconds, wave.number))
    return Stage().submit(wave.spec, wave.trials, wave.number, None).result()


class Dozing(Engine):
    """An engine whose waves sleep for about so long."""

    def __init__(self, workers: int, seconds: float) -> None:
        super().__init__(workers)
        self.seconds = seconds

    def submit(self, wave: Wave) -> Work[list[TrialResult]]:
        """Let a worker sleep."""
        return Work(self._client, doze, wave, self.seconds)


def study(home: Path, engine: Engine, number: int, *, epochs: int = 20) -> tuple[float, int]:
    """Seconds that a job took, and its waves."""
    with Database(f"sqlite:///{home / 'fallline.db'}") as database:
        store = Store(home / "blobs")
        runner = Runner(database, store, engine, at_once=1, of_one_owner=1)
        job = _queue(database, store, number, epochs)
        began = time.perf_counter()
        runner.start()
        try:
            while True:
                with database.read() as connection:
                    row = jobs.get(connection, OWNER, job)
                if row.state not in {"queued", "running"}:
                    break
                time.sleep(0.02)
        finally:
            runner.stop()
        taken = time.perf_counter() - began
        assert row.state == "completed", row.error
        return taken, row.waves_done


def _queue(database: Database, store: Store, number: int, epochs: int) -> str:
    once = Asked(OWNER, key=None, operation="", replayed=lambda: None)
    with store.draft() as draft:
        load_breast_cancer(as_frame=True).frame.to_csv(draft, index=False)
        dataset_id = datasets.add(database, store, draft, once, name="table", target="target")
    given = StudySpec.model_validate(
        {
            "target": "target",
            "budget": {"trials": number, "epochs": epochs},
            "confirmation": {"seeds": 0},
            "transfer": False,
        }
    )
    with database.write() as connection:
        row = datasets.get(connection, OWNER, dataset_id)
        return jobs.create(
            connection, owner=OWNER, dataset_id=dataset_id, request={},
            resolved=resolve(given, datasets.schema(row)),
        )  # fmt: skip


def simulate(workers: int, seconds: float) -> tuple[float, int]:
    """The share of all workers' time in which they were busy, and how many waves there were."""
    with ExitStack() as opened:
        home = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        # As many waves as each worker is to have, where a real study would have fewer, larger ones.
        opened.enter_context(patch("studies.run.wave_size", lambda *_: 8))
        engine = opened.enter_context(Dozing(workers, seconds))
        while engine.workers < workers:
            time.sleep(0.1)
        taken, waves = study(home, engine, 8 * WAVES * workers)
    return sum(length(seconds, wave) for wave in range(waves)) / (workers * taken), waves


def train(workers: int, number: int) -> float:
    """Trials a second of a real study."""
    with tempfile.TemporaryDirectory() as home, Engine(workers) as engine:
        while engine.workers < workers:
            time.sleep(0.1)
        study(Path(home) / "warm", engine, 40, epochs=2)
        taken, _ = study(Path(home) / "timed", engine, number, epochs=60)
        return number / taken


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 5.0])
    parser.add_argument("--trials", type=int, default=1_000, help="of the real studies")
    chosen = parser.parse_args(given)
    console = Console()
    shown = Table("workers", *(f"waves of {each:g} s" for each in chosen.seconds))
    for workers in chosen.workers:
        shares = [simulate(workers, seconds) for seconds in chosen.seconds]
        shown.add_row(str(workers), *(f"{share:.1%} of {waves} waves" for share, waves in shares))
        console.print(shares)
    console.print("Share of the workers' time in which they were busy", shown)
    if chosen.trials:
        one, two = (train(workers, chosen.trials) for workers in (1, 2))
        console.print(
            f"Real training: {one:.1f} trials a second with one worker, {two:.1f} with two "
            f"({two / one:.2f} times)"
        )


if __name__ == "__main__":
    main()
