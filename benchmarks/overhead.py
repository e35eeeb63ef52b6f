"""What a trial costs besides its training: proposing, pruning, bookkeeping and storing.

A study of the default space is driven as the server drives it, its waves stored in a SQLite file,
but nothing is trained: what comes of a trial is a smooth function of its configuration, at once.
Beside it Optuna's TPE, asked for one trial at a time with the same trials in its memory. Run alone:
``python -m benchmarks.overhead``.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from optuna.trial import FrozenTrial
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert

from optimizers.configuration import Configuration
from optimizers.registry import RULES
from service import claims, jobs, tables
from service.database import Database
from studies.resolve import Resolved
from studies.run import Asked, run_study
from studies.rungs import Decision, decide, ladder
from studies.space import Space
from studies.spec import StudySpec
from studies.wave import TrialResult, WaveTrial

RESULTS = Path(__file__).parent / "results" / "overhead.json"
COUNTS = (100, 1_000, 10_000)
ROUNDS = 3
NEAR = 0.7  # a count's neighbourhood: the waves that end above so much of it
ROWS = 1_000  # as if trained on
ASKS = 5  # of Optuna, at each count
SECTIONS = ("proposing", "pruning", "bookkeeping", "storing")


@dataclass
class Course:
    """A trial that pretends to train: the rungs it has reached and what the last one decided."""

    trial: WaveTrial
    reached: dict[int, float | None] = field(default_factory=dict)
    decision: Decision | None = None
    dropped_at: int | None = None

    def climb(self, epochs: int) -> None:
        """Train at a rung: better with every epoch, diverged with a high rate."""
        self.reached[epochs] = value(self.trial.configuration, epochs)

    def result(self) -> TrialResult:
        """In the words of the study, with a curve as long as a real one."""
        epochs, reached = list(self.reached.items())[-1]
        audited = self.decision is not None and self.decision.audited
        dropped = self.dropped_at is not None and not audited
        curve = {
            epoch: at
            for epoch in range(1, epochs + 1)
            if (at := value(self.trial.configuration, epoch)) is not None
        }
        return TrialResult(
            number=self.trial.number,
            outcome="diverged" if reached is None else "dropped" if dropped else "completed",
            value=None if dropped else reached,
            metrics={} if reached is None else {"log_loss": reached, "accuracy": 1 / (1 + reached)},
            curve=curve,
            diverged_at=7 if reached is None else None,
            seconds=0.01,
            epochs=sum(self.reached),
            state_bytes=0,
            samples=ROWS * sum(self.reached),
            rungs={at: below for at, below in self.reached.items() if below and at != epochs},
            dropped_at=None if reached is None else self.dropped_at,
            threshold=None if self.decision is None else self.decision.threshold,
            audited=audited,
            untrained=2.0,
            trouble="blow_up" if reached is None else None,
        )


def value(configuration: Configuration, epochs: int) -> float | None:
    """Best at three times the rule's usual rate, None far above; all else matters a little."""
    numbers = dict(configuration.hyperparameters)
    declared = RULES[configuration.optimizer].hyperparameters
    usual = next(h.default for h in declared if h.name == "learning_rate")
    away = math.log10(numbers.pop("learning_rate") / usual) - 0.5
    if away > 1:
        return None
    others = [*numbers.values(), *configuration.schedule_hyperparameters.values()]
    names = len(configuration.optimizer) % 3 + len(configuration.schedule) % 4
    return 0.3 + 0.1 * away**2 + 0.02 * (names + sum(map(math.sin, others)) ** 2) + 1 / epochs


@dataclass
class Stage:
    """Where waves are sent; they are over at once.

    Attributes:
        pruning: seconds that decisions at rungs have taken.
        pretending: seconds of all else in place of training.
        results: of the last wave.
    """

    pruning: float = 0.0
    pretending: float = 0.0
    results: list[TrialResult] = field(default_factory=list)

    def submit(
        self, spec: StudySpec, trials: list[WaveTrial], wave: int, seconds_left: float | None
    ) -> "Stage":
        """Start a wave."""
        began, before = time.perf_counter(), self.pruning
        courses = [Course(trial) for trial in trials]
        *rungs, top = ladder(spec, wave)
        for epochs in rungs:
            going = [course for course in courses if course.dropped_at is None]
            for course in going:
                course.climb(epochs)
            self._judge(spec, epochs, going)
        for course in courses:
            if course.dropped_at is None or (course.decision and course.decision.audited):
                course.climb(top)
        self.results = [course.result() for course in courses]
        self.pretending += time.perf_counter() - began - (self.pruning - before)
        return self

    def result(self) -> list[TrialResult]:
        """What came of the wave."""
        return self.results

    def _judge(self, spec: StudySpec, epochs: int, going: list[Course]) -> None:
        numbers = [course.trial.number for course in going]
        values = [course.reached[epochs] for course in going]
        began = time.perf_counter()
        decisions = decide(spec, numbers, values, 1.0)
        self.pruning += time.perf_counter() - began
        for course, decision in zip(going, decisions, strict=True):
            course.decision = decision
            if decision.audited or not decision.goes_on:
                course.dropped_at = epochs


def described(trials: int, seed: int) -> StudySpec:
    """A study with halving rungs; all else but the budget and the seed is as left out."""
    return StudySpec.model_validate(
        {
            "target": "y",
            "task": "classification",
            "metric": "log_loss",
            "space": {"batch": ["full", 32, 128]},
            "rungs": {"rule": "halving"},
            "seed": seed,
            "budget": {"trials": trials},
        }
    )


def driven(spec: StudySpec, database: Database) -> tuple[list[FrozenTrial], NDArray[np.float64]]:
    """Run a study as the server does.

    Returns:
        Its trials; and a row of every wave, the seconds of each section behind its trials.
    """
    with database.write() as connection:
        jobs.create(
            connection, owner="ann", dataset_id="dataset", request={}, resolved=Resolved(spec, {}, ())
        )  # fmt: skip
        claim = claims.claim(connection)
    assert claim is not None
    stage, ended, rows = Stage(), list[FrozenTrial](), list[list[float]]()
    began = time.perf_counter()
    for event in run_study(spec, stage.submit):
        yielded = time.perf_counter()
        with database.write() as connection:
            if isinstance(event, Asked):
                claims.record_asked(connection, claim, event.trials)
            else:
                claims.record_told(connection, claim, event.trials, 1.0)
        stored = time.perf_counter()
        if isinstance(event, Asked):
            rows.append([len(event.trials), yielded - began, 0.0, 0.0, stored - yielded])
        else:
            pruning, pretending = stage.pruning, stage.pretending
            stage.pruning = stage.pretending = 0.0
            rows[-1][2] = pruning
            rows[-1][3] = yielded - began - pruning - pretending
            rows[-1][4] += stored - yielded
            ended += event.trials
        began = time.perf_counter()
    with database.write() as connection:
        claims.finish(connection, claim, "completed", seconds=1.0)
    return ended, np.array(rows)


def optunas(spec: StudySpec, trials: Sequence[FrozenTrial]) -> float:
    """Milliseconds that Optuna's TPE takes to propose a trial and learn of it, after these."""
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, multivariate=False))
    study.add_trials(trials)
    space, taken = Space(spec), []
    for _ in range(ASKS):
        began = time.perf_counter()
        trial = study.ask()
        configuration = space.suggest(trial)
        study.tell(trial, value(configuration, 20) or 10.0)
        taken.append(1000 * (time.perf_counter() - began))
    return float(np.median(taken))


def main(trials: int = COUNTS[-1], rounds: int = ROUNDS) -> None:
    """Measure all, print the table, write JSON."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    spec, measured = described(trials, seed=0), []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            with Database(f"sqlite:///{Path(folder) / f'{number}.db'}") as database:
                with database.write() as connection:
                    connection.execute(
                        insert(tables.datasets).values(
                            id="dataset", owner="ann", name="none", digest="0" * 64, rows=ROWS,
                            columns=[], bytes=1, warnings=[],
                        )
                    )  # fmt: skip
                ended, waves = driven(spec, database)
            measured.append(waves)
    waves = np.median(measured, axis=0)  # the same study every round, so the same waves
    sizes, seconds = waves[:, 0], 1000 * waves[:, 1:]
    asked = np.cumsum(sizes)
    names = (*SECTIONS, "all", "Optuna's TPE")
    columns, written = list[list[float | None]](), []
    shown = Table("", title=f"Milliseconds a trial besides training, median of {rounds}")
    for count in (count for count in COUNTS if count <= trials):
        for heading, since in ((f"at {count:,}", NEAR * count), ("so far", 0.0)):
            picked = (asked > since) & (asked <= count)
            cost = (seconds[picked].sum(0) / sizes[picked].sum()).tolist()
            shown.add_column(heading, justify="right")
            columns.append([*cost, sum(cost), optunas(spec, ended[:count]) if since else None])
            written.append(
                {"trials": count, "since": since, **dict(zip(names, columns[-1], strict=True))}
            )
    for name, *cells in zip(names, *columns, strict=True):
        shown.add_row(name, *("" if cell is None else f"{cell:.3f}" for cell in cells))
    Console().print(shown)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(written, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=COUNTS[-1])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    main(**vars(parser.parse_args()))
