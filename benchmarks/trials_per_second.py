"""Trials per second through REST, against Optuna with a plain torch loop; side by side.

200 trials x 20 epochs on digits, MLP 64-128-10, batch 64, no pruning, seven optimizers and five
schedules, two processes on either side. Runs alternate; the ratio is that of the medians.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

import optuna
from rich.console import Console
from rich.table import Table

from benchmarks.peers import run_optuna
from service.client import Client
from service.ingest import read_upload
from service.samples import as_csv
from service.serving import served
from service.settings import Settings
from studies.data.prepare import Data, prepare
from studies.data.schema import describe
from studies.resolve import resolve
from studies.spec import BudgetSpec, ModelSpec, RungsSpec, SpaceSpec, StudySpec

RESULTS = Path(__file__).with_name("results")
RUNS = 3


def spec_of(trials: int, seed: int) -> StudySpec:
    """What both sides are asked."""
    return StudySpec(
        target="label",
        model=ModelSpec(hidden=[128]),
        space=SpaceSpec(batch=[64]),
        budget=BudgetSpec(trials=trials, epochs=20),
        rungs=RungsSpec(rule="none"),
        seed=seed,
        transfer=False,
    )


def run_fallline(client: Client, dataset: str, spec: StudySpec) -> float:
    """Seconds from the POST of the job to its last trial."""
    began = time.perf_counter()
    job = client.submit(dataset, **spec.model_dump(mode="json"))
    while job["state"] in {"queued", "running"}:
        time.sleep(0.02)
        job = client.job(job["id"])
    seconds = time.perf_counter() - began
    ended = sum(job["counts"][name] for name in ("completed", "dropped", "diverged"))
    if job["state"] != "completed" or ended != spec.budget.trials:
        raise RuntimeError(f"the job is {job['state']} with {ended} trials: {job['error']}")
    return seconds


def main(trials: int = 200, runs: int = RUNS) -> None:
    """Measure both, print a table, write JSON."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "digits.csv"
        csv.write_bytes(as_csv("digits"))
        settings = Settings(
            home=Path(folder) / "home", port=8699, workers=2, log_level="error", database=None
        )
        ours, theirs = [], []
        with served(settings) as token, Client(settings.local_url, token) as client:
            dataset = client.upload(csv)["id"]
            run_fallline(client, dataset, spec_of(16, seed=99))  # workers import torch
            for run in range(runs):
                spec = spec_of(trials, seed=run)
                ours.append(run_fallline(client, dataset, spec))
                home = Path(folder) / f"peer{run}"
                home.mkdir()
                data, resolved = _data(csv, spec)
                theirs.append(run_optuna(data, resolved, home).seconds)
                console.print(f"run {run + 1}: {ours[-1]:.1f} s against {theirs[-1]:.1f} s")
    _show(console, trials, ours, theirs)


def _data(csv: Path, spec: StudySpec) -> tuple[Data, StudySpec]:
    table = read_upload(csv).table
    schema = describe(table)
    resolved = resolve(spec, schema).spec
    return prepare(table, schema, resolved), resolved


def _show(console: Console, trials: int, ours: list[float], theirs: list[float]) -> None:
    table = Table(title=f"{trials} trials x 20 epochs, digits, MLP 64-128-10, batch 64")
    for column in ("", "median seconds", "trials / s", "ratio"):
        table.add_column(column, justify="left" if not column else "right")
    slow, fast = statistics.median(theirs), statistics.median(ours)
    table.add_row("Optuna 5, torch loop, 2 processes", f"{slow:.1f}", f"{trials / slow:.1f}", "1")
    table.add_row(
        "Fallline over REST, 2 workers", f"{fast:.1f}", f"{trials / fast:.1f}", f"{slow / fast:.1f}"
    )
    console.print(table)
    RESULTS.mkdir(exist_ok=True)
    figures = {"trials": trials, "fallline_seconds": ours, "optuna_seconds": theirs}
    (RESULTS / "trials_per_second.json").write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
