"""Verdicts of whole studies as the service runs them: the question is which optimizer is better.

The default sampler, halving rungs, equal trials for each optimizer, finalists from ten fresh seeds. Two
names for Adam must not be told apart; Adam and SGD should be where 30 seeds of the best of 200 trials
separate them clearly.
"""

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import torch
from optuna.trial import FrozenTrial
from rich.console import Console

from benchmarks.tables import TABLES, data
from benchmarks.verdicts import (
    AA,
    AGAINST,
    ALIASES,
    FAR,
    FIRST_SPLIT,
    NEAR,
    Setting,
    Tally,
    better,
    cells,
    spec,
    tallies,
)
from optimizers.registry import RULES
from studies.confirmation import Run, choose, conclude, confirm, run_confirmation
from studies.data.prepare import Data
from studies.run import run_study
from studies.spec import RungsSpec, StudySpec
from studies.verdict import Verdict
from studies.wave import TrialResult, WaveTrial, run_wave

RESULTS = Path(__file__).parent / "results" / "compared.json"
SETTINGS = (
    Setting("two Adams", AA, "model"),
    Setting("three Adams", ALIASES, "model"),
    Setting("Adam or SGD, rates to 0.03", AGAINST, "model", **FAR),
    Setting("Adam or SGD, rates to 0.1", AGAINST, "model", **NEAR),
)


def study(rows: Data, described: StudySpec) -> Verdict:
    """One study, from its first trial to its verdict."""

    def submit(
        spec: StudySpec, trials: list[WaveTrial], wave: int, seconds_left: float | None
    ) -> "Future[list[TrialResult]]":
        done: Future[list[TrialResult]] = Future()
        done.set_result(run_wave(rows, spec, trials, wave=wave))
        return done

    def again(
        spec: StudySpec, runs: list[WaveTrial], seconds_left: float | None
    ) -> "Future[list[Run]]":
        done: Future[list[Run]] = Future()
        done.set_result(run_confirmation(rows, spec, runs))
        return done

    stored: dict[int, FrozenTrial] = {}
    for event in run_study(described, submit, in_flight=2):
        stored |= {trial.number: trial for trial in event.trials}
    trials = list(stored.values())
    found = confirm(described, [trials[number] for number in choose(described, trials)], again)
    if found is None:
        raise RuntimeError("nothing was confirmed")
    return conclude(described, trials, found)


def measured(setting: Setting) -> Tally:
    """Verdicts of every study of a setting whose truth is known."""
    tally = Tally()
    alike = set(setting.optimizers) <= set(ALIASES)
    for table in TABLES:
        for seed in range(FIRST_SPLIT, FIRST_SPLIT + setting.splits):
            truth = None if alike else better(replace(setting, sampler="random"), table, seed)
            if truth is None and not alike:
                continue
            rows = data(table, seed)
            for number in range(setting.studies):
                asked = spec(setting, table, setting.sampler, 1000 * seed + 50 * number)
                trials = setting.trials * len(setting.optimizers)
                asked = asked.model_copy(
                    update={
                        "question": "compare",
                        "rungs": RungsSpec(rule="halving"),
                        "budget": asked.budget.model_copy(update={"trials": trials}),
                    }
                )
                tally.add(study(rows, asked), {}, truth)
    return tally


def main(first: int = 0, settings: Sequence[Setting] = SETTINGS) -> None:
    """Measure the settings from one on; print the table, write the figures."""
    torch.set_num_threads(1)
    for alias in ALIASES[1:]:
        RULES[alias] = replace(RULES["adam"], name=alias)
    table = tallies("Verdicts of whole studies")
    figures = {}
    for setting in islice(settings, first, None):
        tally = measured(setting)
        figures[setting.name] = {"setting": asdict(setting), **asdict(tally)}
        table.add_row(*cells(setting, tally))
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(figures, indent=2))
        Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="Setting to begin with.")
    main(**vars(parser.parse_args()))
