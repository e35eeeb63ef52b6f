"""How often a verdict is wrong, and how often it finds what is true.

Two or three names for Adam, tuned apart, must not beat one another; an optimizer that is better for
certain must be named. Every study is real: tuned on scikit-learn's tables, its finalists trained
again with fresh seeds. Run alone: ``python -m benchmarks.verdicts``.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.trial import FrozenTrial
from rich.console import Console
from rich.table import Table
from scipy import stats

from benchmarks.tables import TABLES, data, scores
from optimizers.configuration import Configuration
from optimizers.registry import RULES
from studies.data.prepare import Data
from studies.run import STATES
from studies.search import Search
from studies.spec import METRICS, StudySpec, Task
from studies.verdict import Trial, Verdict, finalists, judge
from studies.verdict.models import Direction

RESULTS = Path(__file__).parent / "results" / "verdicts.json"
ALIASES = ("adam", "adam_b", "adam_c")
WAVE = 5  # trials of an optimizer between two fits of its sampler
SEEDS, FURTHER = 10, 5  # a verdict sees the first; next runs are held against the others
FIRST_SPLIT = 100  # the method was made with others
TRUTH_TRIALS, TRUTH_SEEDS = 200, 30
CLEAR = 2.0  # seed standard deviations between two optimizers that differ for certain


@dataclass(frozen=True)
class Setting:
    """Studies of one kind.

    Attributes:
        name: as in the table.
        optimizers: that compete.
        sampler: of each optimizer apart, or of all together if `joint`.
        trials: of tuning, an optimizer.
        studies: of one split.
        splits: of each table.
        epochs: of a training.
        metric: place among those of the task: 0 is log_loss or rmse.
        highest_rate: upper end of the learning rates; None leaves each rule its own range.
        joint: one sampler, which chooses the optimizer too.
    """

    name: str
    optimizers: tuple[str, ...]
    sampler: str
    trials: int = 20
    studies: int = 9
    splits: int = 8
    epochs: int = 8
    metric: int = 0
    highest_rate: float | None = None
    joint: bool = False


def spec(setting: Setting, table: str, sampler: str, seed: int) -> StudySpec:
    """Of one study."""
    task: Task = "regression" if table == "diabetes" else "classification"
    rates = {"low": 1e-4, "high": setting.highest_rate} if setting.highest_rate else None
    return StudySpec.model_validate(
        {
            "target": "y",
            "task": task,
            "metric": METRICS[task][setting.metric],
            "model": {"hidden": [16]},
            "space": {
                "optimizers": list(setting.optimizers),
                "schedules": ["constant", "cosine"],
                "batch": [32],
                "learning_rate": rates,
            },
            "sampler": sampler,
            "seed": seed,
            "budget": {"epochs": setting.epochs},
        }
    )


def tuned(
    rows: Data, described: Sequence[StudySpec], trials: int, joint: bool
) -> list[list[tuple[Trial, Configuration]]]:
    """The trials of each study, all studies side by side; a study's trials share a seed."""
    searches = [[Search(one) for one in ([d] if joint else apart(d))] for d in described]
    goal = trials * (len(described[0].space.optimizers) if joint else 1)
    done: list[list[tuple[Trial, Configuration]]] = [[] for _ in described]
    for start in range(0, goal, WAVE):
        asked = [
            (study, search, trial)
            for study, group in enumerate(searches)
            for search in group
            for trial in search.ask(min(WAVE, goal - start))
        ]
        configurations = [search.space.configuration(t.params) for _, search, t in asked]
        seeds = [described[study].seed for study, _, _ in asked]
        found = scores(rows, described[0], configurations, seeds, rows.validation)
        for (study, search, trial), tried, value in zip(asked, configurations, found, strict=True):
            search.tell([ended(trial, value)])
            # numbered in order of tuning, each number once in the study
            done[study].append((Trial(len(done[study]), tried.optimizer, value), tried))
    return done


def apart(described: StudySpec) -> list[StudySpec]:
    """A study of each optimizer alone, with samplers that differ."""
    return [
        described.model_copy(
            update={
                "space": described.space.model_copy(update={"optimizers": [name]}),
                "seed": 10 * described.seed + place,
            }
        )
        for place, name in enumerate(described.space.optimizers)
    ]


def ended(trial: FrozenTrial, value: float | None) -> FrozenTrial:
    """As it is told to its sampler."""
    told = optuna.trial.create_trial(
        state=STATES["diverged" if value is None else "completed"],
        value=value,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs,
    )
    told.number = trial.number
    return told


def confirmed(
    rows: Data,
    described: Sequence[StudySpec],
    done: Sequence[Sequence[tuple[Trial, Configuration]]],
    chosen: Sequence[Sequence[int]],
    seeds: int,
) -> list[dict[int, list[float | None]]]:
    """Test scores of the chosen trials of each study, by number and seed."""
    runs = [
        (done[study][number][1], 1_000_000 + 100 * described[study].seed + seed)
        for study, numbers in enumerate(chosen)
        for number in numbers
        for seed in range(seeds)
    ]
    configurations, fresh = zip(*runs, strict=True)
    found = iter(scores(rows, described[0], configurations, fresh, rows.test))
    return [{number: list(islice(found, seeds)) for number in numbers} for numbers in chosen]


def direction(described: StudySpec) -> Direction:
    return described.goal.direction


@dataclass
class Tally:
    """What came of the studies of a setting."""

    verdicts: int = 0
    named: int = 0
    wrong: int = 0
    ties: int = 0
    open: int = 0
    next_runs: int = 0
    next_runs_inside: int = 0

    def add(
        self, verdict: Verdict, scored: dict[int, list[float | None]], truth: str | None
    ) -> None:
        """Count one verdict; ``truth`` is the better optimizer, None where all are one rule."""
        self.verdicts += 1
        winners = {pair.winner for pair in verdict.pairs} - {None}
        self.named += truth in winners
        self.wrong += bool(winners - {truth})
        self.ties += sum(pair.outcome == "tie" for pair in verdict.pairs)
        self.open += sum(pair.outcome == "open" for pair in verdict.pairs)
        for row in verdict.finalists:
            for score in scored.get(row.number, [])[SEEDS:]:
                self.next_runs += 1
                low, high = row.next_run
                self.next_runs_inside += score is not None and low <= score <= high


def better(setting: Setting, table: str, seed: int) -> str | None:
    """Which optimizer is better when both are tuned hard; None if they are close."""
    rows = data(table, seed)
    described = [spec(setting, table, "random", 999_000 + seed)]
    done = tuned(rows, described, TRUTH_TRIALS, joint=False)
    best = finalists(direction(described[0]), [trial for trial, _ in done[0]], 1)
    scored = confirmed(rows, described, done, [best], TRUTH_SEEDS)[0]
    first, second = best
    if any(score is None for number in best for score in scored[number]):
        return None
    ours, theirs = (np.array(scored[number], float) for number in (first, second))
    if abs(ours.mean() - theirs.mean()) < CLEAR * max(ours.std(), theirs.std()):
        return None
    lower_is_better = direction(described[0]) == "minimize"
    winner = first if (ours.mean() < theirs.mean()) == lower_is_better else second
    return done[0][winner][0].optimizer


def measured(setting: Setting) -> Tally:
    """Verdicts on every study of a setting whose truth is known."""
    tally = Tally()
    alike = set(setting.optimizers) <= set(ALIASES)
    for table in TABLES:
        for seed in range(FIRST_SPLIT, FIRST_SPLIT + setting.splits):
            truth = None if alike else better(setting, table, seed)
            if truth is None and not alike:
                continue
            rows = data(table, seed)
            described = [
                spec(setting, table, setting.sampler, 1000 * seed + study)
                for study in range(setting.studies)
            ]
            done = tuned(rows, described, setting.trials, setting.joint)
            way = direction(described[0])
            trials = [[trial for trial, _ in study] for study in done]
            chosen = [finalists(way, study) for study in trials]
            scored = confirmed(rows, described, done, chosen, SEEDS + FURTHER)
            for study, found in zip(trials, scored, strict=True):
                seen = {number: values[:SEEDS] for number, values in found.items()}
                tally.add(judge(way, study, seen), found, truth)
    return tally


AA, AGAINST = ALIASES[:2], ("adam", "sgd")
FAR: dict[str, Any] = {"trials": 30, "studies": 8, "splits": 4, "epochs": 5, "highest_rate": 0.03}
NEAR: dict[str, Any] = {"trials": 20, "studies": 5, "splits": 4, "epochs": 5, "highest_rate": 0.1}
SETTINGS = (
    Setting("two Adams, random search", AA, "random"),
    Setting("two Adams, TPE", AA, "tpe"),
    Setting("two Adams, one TPE for both", AA, "tpe", joint=True),
    Setting("two Adams, TPE, accuracy and r2", AA, "tpe", metric=1),
    Setting("three Adams, TPE", ALIASES, "tpe"),
    Setting("Adam or SGD, rates to 0.03, random search", AGAINST, "random", **FAR),
    Setting("Adam or SGD, rates to 0.03, TPE", AGAINST, "tpe", **FAR),
    Setting("Adam or SGD, rates to 0.1, random search", AGAINST, "random", **NEAR),
    Setting("Adam or SGD, rates to 0.1, TPE", AGAINST, "tpe", **NEAR),
)


def tallies(title: str) -> Table:
    """A table with the columns of `cells`."""
    table = Table(title=title)
    table.add_column("studies")
    for column in ("verdicts", "truth named", "false winner", "95 % up to", "ties", "open"):
        table.add_column(column, justify="right")
    return table


def cells(setting: Setting, tally: Tally) -> list[str]:
    """A row of it."""
    known = not set(setting.optimizers) <= set(ALIASES)
    n = max(tally.verdicts, 1)
    return [
        setting.name,
        str(tally.verdicts),
        f"{tally.named / n:.1%}" if known else "",
        f"{tally.wrong / n:.1%}",
        f"{stats.binomtest(tally.wrong, n).proportion_ci().high:.1%}",
        str(tally.ties),
        str(tally.open),
    ]


def main() -> None:
    """Measure every setting; print the table, write the figures."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for alias in ALIASES[1:]:
        RULES[alias] = replace(RULES["adam"], name=alias)
    table = tallies("Verdicts: right and wrong")
    table.add_column("next run inside", justify="right")
    figures: dict[str, dict[str, Any]] = {}
    for setting in SETTINGS:
        tally = measured(setting)
        figures[setting.name] = {"setting": asdict(setting), **asdict(tally)}
        inside = tally.next_runs_inside / max(tally.next_runs, 1)
        table.add_row(*cells(setting, tally), f"{inside:.1%}")
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(figures, indent=2))
    Console().print(table)


if __name__ == "__main__":
    main()
