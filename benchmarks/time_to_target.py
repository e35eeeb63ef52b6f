"""How soon Fallline is as good as Optuna gets: seconds to the best value of 200 of its trials.

Optuna 5 with TPE, a plain `torch.optim` loop and SQLite storage, in two processes, runs its trials to
the end; Fallline is then given that value as its target, over REST, with its defaults and two workers.
"""

import argparse
import csv
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unicodedata import category, name

import numpy as np
import optuna
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.feature_extraction.text import HashingVectorizer

from benchmarks.peers import run_optuna
from service.client import Client
from service.ingest import read_upload
from service.serving import served
from service.settings import Settings
from studies.data.prepare import prepare
from studies.data.schema import describe
from studies.resolve import resolve
from studies.spec import StudySpec

RESULTS = Path(__file__).parent / "results" / "time_to_target.json"


def load_names() -> tuple[Any, Any]:
    """Texts: 2,000 names of Unicode characters as counts of 128 hashed trigrams; their category."""
    known = [(name(chr(i), ""), category(chr(i))) for i in range(0x3000)]
    counts = Counter(kind for text, kind in known if text)
    common = [(text, kind) for text, kind in known if text and counts[kind] >= 50]
    drawn = np.random.default_rng(0).choice(len(common), 2000, replace=False)
    texts, kinds = zip(*(common[i] for i in drawn), strict=True)
    hashed = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 3), n_features=128, alternate_sign=False, norm=None
    )
    return hashed.transform(texts).toarray(), np.array(kinds)


TABLES: dict[str, Callable[..., tuple[Any, Any]]] = {
    "digits": partial(load_digits, return_X_y=True),
    "breast_cancer": partial(load_breast_cancer, return_X_y=True),
    "wine": partial(load_wine, return_X_y=True),
    "diabetes": partial(load_diabetes, return_X_y=True),
    "names": load_names,
}
PEER_TRIALS = 200
MOST_TRIALS = 2000  # Fallline gives up


def write(name: str, path: Path) -> Path:
    """A table as a CSV file; its last column is the target."""
    inputs, targets = TABLES[name]()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{i}" for i in range(inputs.shape[1])), "target"])
        writer.writerows(
            [*row, target] for row, target in zip(inputs.tolist(), targets.tolist(), strict=True)
        )
    return path


def wanted(name: str, seed: int, trials: int, **budget: Any) -> dict[str, Any]:
    """What both sides are asked."""
    return {
        "target": "target",
        "task": "regression" if name == "diabetes" else "classification",
        "budget": {"trials": trials, "epochs": 20} | budget,
        "confirmation": {"seeds": 0},  # comes after the target is reached
        "seed": seed,
        "transfer": False,
    }


def peer(name: str, path: Path, seed: int, folder: Path) -> Any:
    """Optuna's run."""
    table = read_upload(path).table
    schema = describe(table)
    spec = resolve(StudySpec.model_validate(wanted(name, seed, PEER_TRIALS)), schema).spec
    return run_optuna(prepare(table, schema, spec), spec, folder)


def ours(client: Client, dataset: str, name: str, seed: int, target: float) -> float | None:
    """Seconds from the POST of the job until a trial as good is stored; None if there is none."""
    began = time.perf_counter()
    job = client.submit(dataset, **wanted(name, seed, MOST_TRIALS, target=target))
    while job["best_value"] is None or job["best_value"] > target:
        if job["state"] not in {"queued", "running"}:
            return None
        time.sleep(0.05)
        job = client.job(job["id"])
    seconds = time.perf_counter() - began
    while job["state"] == "running":  # the waves under way must not slow what comes next
        time.sleep(0.05)
        job = client.job(job["id"])
    return seconds


def main(tables: Sequence[str] = tuple(TABLES), seeds: int = 5, first: int = 0) -> None:
    """Measure all, print the table, write JSON."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    console, written = Console(), []
    shown = Table(
        title=f"Seconds to the best of {PEER_TRIALS} trials of Optuna's, median of {seeds}"
    )
    for column in (
        "table",
        "Optuna, all trials",
        "Optuna, to its best",
        "Fallline",
        "ratio",
        "missed",
    ):
        shown.add_column(column, justify="left" if column == "table" else "right")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        settings = Settings(
            home=folder / "home", port=8698, workers=2, log_level="error", database=None
        )
        with served(settings) as token, Client(settings.local_url, token) as client:
            for name in tables:
                path = write(name, folder / f"{name}.csv")
                dataset = client.upload(path)["id"]
                ours(client, dataset, name, 99, 1e9)  # workers import torch
                rows: list[tuple[float, float, float | None]] = []
                for seed in range(first, first + seeds):
                    home = folder / f"{name}{seed}"
                    home.mkdir()
                    run = peer(name, path, seed, home)
                    seconds = ours(client, dataset, name, seed, run.best)
                    rows.append((run.seconds, run.seconds_to_best, seconds))
                    written.append(
                        {"table": name, "seed": seed, "best": run.best, "seconds": rows[-1]}
                    )
                    console.print(name, seed, run.best, *rows[-1])
                everything = statistics.median(seconds for seconds, _, _ in rows)
                to_best = statistics.median(seconds for _, seconds, _ in rows)
                reached = [seconds for _, _, seconds in rows if seconds is not None]
                # A miss counts as longer than any other.
                sooner = statistics.median([*reached, *[float("inf")] * (seeds - len(reached))])
                shown.add_row(
                    name, f"{everything:.1f}", f"{to_best:.1f}", f"{sooner:.2f}",
                    f"{everything / sooner:.1f}", str(seeds - len(reached)),
                )  # fmt: skip
                RESULTS.parent.mkdir(exist_ok=True)
                RESULTS.write_text(json.dumps(written, indent=2))
    console.print(shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="seed to begin with")
    main(**vars(parser.parse_args()))
