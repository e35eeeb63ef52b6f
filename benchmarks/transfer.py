"""How far a study is from the best known, with and without what studies of other tables found.

For every seed each table is studied from nothing, and again with the best of longer studies of that
seed among its first trials: those of all other tables, or one of the same table with a network of
half the width. Every trial is a real training; studies of
all seeds advance side by side, so that their trainings fill stacks. A pair of studies has its
seed in common, so differences are taken pair by pair.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from benchmarks.regret import described
from benchmarks.tables import MORE, TABLES, data, scores
from studies.data.prepare import Data
from studies.run import wave_size
from studies.search import Search
from studies.spec import ModelSpec, StudySpec
from studies.transfer import Earlier, MetaFeatures, Transferred, choose, likeness

RESULTS = Path(__file__).parent / "results" / "transfer.json"
SOURCE_TRIALS = 100  # of the studies that are learned from


def run(
    rows: Data, specs: Sequence[StudySpec], transferred: Sequence[Sequence[Transferred]]
) -> list[list[FrozenTrial]]:
    """The trials of every study."""
    searches = [
        Search(spec, transferred=taken) for spec, taken in zip(specs, transferred, strict=True)
    ]
    found: list[list[FrozenTrial]] = [[] for _ in searches]
    budget = specs[0].budget.trials
    while (done := len(found[0])) < budget:
        size = min(wave_size(budget, done), budget - done)
        waves = [search.ask(size) for search in searches]
        configurations = [
            search.space.configuration(trial.params)
            for search, wave in zip(searches, waves, strict=True)
            for trial in wave
        ]
        # All studies train from the same seed: they search the same landscape.
        values = scores(rows, specs[0], configurations, [0] * len(configurations), rows.validation)
        for place, (search, wave) in enumerate(zip(searches, waves, strict=True)):
            for trial, value in zip(wave, values[place * size :], strict=False):
                trial.state = TrialState.PRUNED if value is None else TrialState.COMPLETE
                trial.value = value
            search.tell(wave)
            found[place] += wave
    return found


def meta(table: str, spec: StudySpec, rows: Data) -> MetaFeatures:
    """The meta-features of a study."""
    parts = (rows.train, rows.validation, rows.test)
    return MetaFeatures(
        spec.task, spec.metric, spec.model, spec.budget.epochs,
        sum(len(part.inputs) for part in parts), rows.train.inputs.shape[1],
        max(len(rows.classes), 1), (table, "y"), spec.seed,
    )  # fmt: skip


Study = tuple[MetaFeatures, list[FrozenTrial]]


def offered(here: MetaFeatures, studies: Sequence[Study]) -> list[Earlier]:
    """What earlier studies offer."""
    earlier = []
    for there, trials in studies:
        completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        completed.sort(key=lambda trial: float(trial.values[0]))
        name = there.table[0]
        earlier.append(Earlier(name, name, likeness(here, there), completed, len(completed)))
    return earlier


def best(studies: Sequence[Sequence[FrozenTrial]], trials: int) -> NDArray[np.float64]:
    """The lowest value of each study after so many trials: (seeds,)."""
    return np.array(
        [
            min(t.values[0] for t in study[:trials] if t.state == TrialState.COMPLETE)
            for study in studies
        ]
    )


def studied(rows: dict[str, Data], seeds: int, hidden: int) -> dict[str, list[Study]]:
    """Long studies of every table from nothing, one a seed."""
    found = {}
    for table, each in rows.items():
        model = ModelSpec(hidden=[hidden])
        specs = [
            described(table, "classic", seed, SOURCE_TRIALS).model_copy(update={"model": model})
            for seed in range(seeds)
        ]
        trials = run(each, specs, [()] * seeds)
        found[table] = [(meta(table, spec, each), t) for spec, t in zip(specs, trials, strict=True)]
    return found


def main(
    tables: Sequence[str] = (*TABLES, *MORE),
    trials: int = 25,
    checkpoints: Sequence[int] = (12, 25),
    seeds: int = 12,
) -> None:
    """Measure all, print the table, write JSON."""
    torch.set_num_threads(1)
    shown = Table(title=f"Mean regret of {seeds} studies of {trials} trials (standard error)")
    for column in ("table", "after", "from", "regret", "difference", "better : worse"):
        shown.add_column(column, justify="left" if column in {"table", "from"} else "right")
    rows = {table: data(table, 0) for table in tables}
    longer, narrower = (studied(rows, seeds, hidden) for hidden in (32, 16))
    written = []
    for table in tables:
        specs = [described(table, "classic", seed, trials) for seed in range(seeds)]
        features = [meta(table, spec, rows[table]) for spec in specs]
        sources: dict[str, list[list[Study]]] = {
            "nothing": [[] for _ in specs],
            "other tables": [
                [longer[name][seed] for name in tables if name != table] for seed in range(seeds)
            ],
            "half the width": [[study] for study in narrower[table]],
        }
        ends = {}
        for kind, studies in sources.items():
            taken = [
                choose(spec, offered(here, each))
                for spec, here, each in zip(specs, features, studies, strict=True)
            ]
            ends[kind] = run(rows[table], specs, taken)
        known = min(best(each, trials).min() for each in ends.values())
        known = min(known, best([t for _, t in longer[table]], SOURCE_TRIALS).min())
        for after in checkpoints:
            nothing = best(ends["nothing"], after) - known
            for kind, each in ends.items():
                regret = best(each, after) - known
                gained = regret - nothing
                cells = [
                    f"{values.mean():.4f} ({values.std(ddof=1) / seeds**0.5:.4f})"
                    for values in (regret, gained)
                ]
                counted = f"{(gained < 0).sum()} : {(gained > 0).sum()}"
                shown.add_row(table, str(after), kind, *cells, counted)
                written.append(
                    {"table": table, "after": after, "from": kind, "regret": regret.tolist()}
                )
        shown.add_section()
    Console().print(shown)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(written))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", default=[*TABLES, *MORE])
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=12)
    main(**vars(parser.parse_args()))
