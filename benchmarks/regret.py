"""How far a study is from the best known after so many trials: Fallline's sampler against Optuna's.

Every trial is a real training on a small table; studies of all seeds advance side by side, so that
their trainings fill stacks. A study's seed draws first weights and batches as well, so that each has a
landscape of its own (all have the same one with `--shared`: its luck is then in every study). Optuna's
TPE is asked for one trial at a time and told at once, as it is used best; Fallline's model is asked
for whole waves, each optimizer's defaults first.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from benchmarks.tables import NUMERIC, data, scores
from optimizers.configuration import Configuration
from studies.run import wave_size
from studies.search import Search
from studies.space import Space
from studies.spec import METRICS, StudySpec, Task

RESULTS = Path(__file__).parent / "results" / "regret.json"
SPACES: dict[str, dict[str, Any]] = {
    "classic": {"batch": ["full", 32, 128]},
    "adam": {"optimizers": ["adam"], "schedules": ["cosine"], "batch": [32]},
    "all": {"optimizers": "all", "schedules": "all", "batch": [32]},
}
BUDGETS = (25, 100, 400)
EPOCHS = 10


class Study(Protocol):
    """What proposes trials and learns what came of them."""

    def ask(self, budget: int) -> list[Configuration]:
        """The next trials of a study that will have so many."""

    def tell(self, values: Sequence[float | None]) -> None:
        """Their values; None for diverged."""


class Ours:
    """Fallline's search, with one of its samplers."""

    def __init__(self, spec: StudySpec) -> None:
        self._search = Search(spec)
        self._asked: list[FrozenTrial] = []

    def ask(self, budget: int) -> list[Configuration]:
        """A wave."""
        left = budget - self._search.asked
        self._asked = self._search.ask(
            min(wave_size(self._search.spec.budget.trials, self._search.asked), left)
        )
        return [self._search.space.configuration(trial.params) for trial in self._asked]

    def tell(self, values: Sequence[float | None]) -> None:
        """The wave's values."""
        for trial, value in zip(self._asked, values, strict=True):
            trial.state = TrialState.PRUNED if value is None else TrialState.COMPLETE
            trial.value = value
        self._search.tell(self._asked)


class Optunas:
    """Optuna's sampler, one trial at a time."""

    def __init__(self, spec: StudySpec, sampler: optuna.samplers.BaseSampler) -> None:
        self._space = Space(spec)
        self._study = optuna.create_study(sampler=sampler)

    def ask(self, budget: int) -> list[Configuration]:
        """One trial."""
        self._asked = self._study.ask()
        return [self._space.suggest(self._asked)]

    def tell(self, values: Sequence[float | None]) -> None:
        """The trial's value; Optuna's samplers take a pruned trial for the worst."""
        (value,) = values
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        self._study.tell(self._asked, value, state)


SIDES: dict[str, Callable[[StudySpec], Study]] = {
    "Optuna's TPE": lambda spec: Optunas(spec, optuna.samplers.TPESampler(seed=spec.seed)),
    "random": lambda spec: Ours(spec.model_copy(update={"sampler": "random"})),
    "Fallline's model": Ours,
}


def described(table: str, space: str, seed: int, trials: int) -> StudySpec:
    """The spec of one study."""
    task: Task = "regression" if table in NUMERIC else "classification"
    return StudySpec.model_validate(
        {
            "target": "y",
            "task": task,
            "metric": METRICS[task][0],
            "model": {"hidden": [32]},
            "space": SPACES[space],
            "seed": seed,
            "budget": {"epochs": EPOCHS, "trials": trials},
        }
    )


def best_so_far(
    table: str, space: str, side: str, budget: int, seeds: int, shared: bool
) -> NDArray[np.float64]:
    """The lowest value after every trial of every study: (seeds, budget)."""
    rows = data(table, 0)
    specs = [described(table, space, seed, budget) for seed in range(seeds)]
    studies = [SIDES[side](spec) for spec in specs]
    found: list[list[float]] = [[] for _ in studies]
    while len(found[0]) < budget:
        asked = [study.ask(budget) for study in studies]
        configurations = [configuration for wave in asked for configuration in wave]
        size = len(asked[0])
        drawn = [0 if shared else spec.seed for spec in specs for _ in range(size)]
        values = scores(rows, specs[0], configurations, drawn, rows.validation)
        for place, study in enumerate(studies):
            wave = values[place * size : (place + 1) * size]
            study.tell(wave)
            found[place] += [np.inf if value is None else value for value in wave]
    return np.minimum.accumulate(np.array(found), axis=1)


def ends_of(
    table: str, space: str, side: str, budgets: Sequence[int], seeds: int, shared: bool = False
) -> list[NDArray[np.float64]]:
    """The lowest value of every study, for each budget: (seeds,) each."""
    if side == "Fallline's model":  # its waves depend on the budget: each is a study of its own
        return [best_so_far(table, space, side, each, seeds, shared)[:, -1] for each in budgets]
    whole = best_so_far(table, space, side, max(budgets), seeds, shared)
    return [whole[:, budget - 1] for budget in budgets]


def main(
    tables: Sequence[str] = ("wine", "breast_cancer", "diabetes"),
    spaces: Sequence[str] = tuple(SPACES),
    budgets: Sequence[int] = BUDGETS,
    seeds: int = 30,
    shared: bool = False,
) -> None:
    """Measure all, print the table, write JSON."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    console = Console()
    shown = Table(title=f"Mean regret of {seeds} studies (standard error), trials")
    for column in ("table", "space", "side", *map(str, budgets)):
        shown.add_column(
            column, justify="left" if column in {"table", "space", "side"} else "right"
        )
    written = []
    for table in tables:
        for space in spaces:
            curves = {side: ends_of(table, space, side, budgets, seeds, shared) for side in SIDES}
            # Of each landscape.
            known = np.min([values for ends in curves.values() for values in ends], axis=0)
            if shared:
                known = known.min()
            for side, ends in curves.items():
                cells = [
                    f"{(values - known).mean():.4f} ({values.std() / seeds**0.5:.4f})"
                    for values in ends
                ]
                shown.add_row(table, space, side, *cells)
                written.append(
                    {"table": table, "space": space, "side": side, "budgets": list(budgets),
                     "values": [values.tolist() for values in ends]}
                )  # fmt: skip
            shown.add_section()
    console.print(shown)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(written))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", default=["wine", "breast_cancer", "diabetes"])
    parser.add_argument("--spaces", nargs="+", default=list(SPACES))
    parser.add_argument("--budgets", nargs="+", type=int, default=list(BUDGETS))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--shared", action="store_true", help="one landscape for all studies")
    main(**vars(parser.parse_args()))
