"""Whether a study can be repeated: its best.py, its trials one by one, and the study as a whole.

Ten different studies on a real server with two workers. Of each, best.py runs in a fresh process with
torch, numpy and scikit-learn alone, from the study's seed and from one that nobody has trained with; a
few trials are replayed; the same job is submitted again, and once more while the server is stopped and
started again and again.
"""

import argparse
import csv
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from service.client import Client
from service.serving import served
from service.settings import Settings
from tests import datasets
from tests.studies.scripts import alone

RESULTS = Path(__file__).parent / "results" / "repeatability.json"
FRESH_SEED = 12345  # neither a study's nor among its confirmation's
REPLAYED = 5  # trials a study
CATEGORIES = ("north", "south", "east", "west", "")
Json = dict[str, Any]


def generated(path: Path, *, numeric: bool) -> Path:
    """A table with numbers, text, dates and missing values; a numeric target, or one of three."""
    draw = random.Random(8)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["size", "region", "day", "new", "age", "target"])
        for _ in range(500):
            size, age = draw.gauss(0, 1), draw.expovariate(0.1)
            region, new = draw.choice(CATEGORIES), draw.random() < 0.3
            days = draw.randrange(700)
            score = (
                size - 0.05 * age + CATEGORIES.index(region) / 2 + days / 400 + draw.gauss(0, 0.5)
            )
            writer.writerow(
                [
                    round(size, 3),
                    region,
                    date(2024, 1, 1) + timedelta(days),
                    new,
                    "" if draw.random() < 0.1 else round(age, 1),
                    round(100 * score, 1)
                    if numeric
                    else ["low", "mid", "high"][int(score > 0.5) + int(score > 2)],
                ]
            )
    return path


@dataclass(frozen=True)
class Case:
    """A table and what is asked of it."""

    name: str
    write: Callable[[Path], Path]
    target: str
    spec: Json


def _spec(metric: str, hidden: Sequence[int], optimizers: object, **other: Any) -> Json:
    model = {"hidden": list(hidden)} if hidden else {"kind": "linear"}
    trials, epochs = other.pop("budget", (24, 10))
    return {
        "metric": metric,
        "model": model | other.pop("model", {}),
        "space": {"optimizers": optimizers, "batch": [32, "full"]} | other.pop("space", {}),
        "budget": {"trials": trials, "epochs": epochs},
    } | other


_flawed = {name: partial(write, imperfect=True) for name, write in datasets.DATASETS.items()}
CASES = (
    Case("digits", datasets.digits, "target", _spec("accuracy", [64], "classic", space={"batch": [64, 256]})),
    Case(
        "breast_cancer", datasets.breast_cancer, "diagnosis",
        _spec("log_loss", [16], "classic", model={"dropout": 0.2}, seed=1),
    ),
    Case("wine", datasets.wine, "target", _spec("log_loss", [], ["sgd", "adam", "adagrad"], seed=2)),
    Case("diabetes", datasets.diabetes, "progression", _spec("rmse", [32], "classic", seed=3)),
    Case(
        "diabetes, flawed", _flawed["diabetes"], "progression",
        _spec("r2", [], ["sgd", "nesterov", "rprop", "adam"], seed=4, space={"schedules": "all"}),
    ),
    Case(
        "wine, flawed", _flawed["wine"], "target",
        _spec("accuracy", [16], ["sgd", "momentum", "adam"], seed=5, question="compare",
              model={"activation": "tanh"}),
    ),
    Case(
        "breast_cancer, flawed", _flawed["breast_cancer"], "diagnosis",
        _spec("accuracy", [32, 16], ["lion", "muon", "sam", "lookahead", "radam"], seed=6,
              model={"activation": "gelu"}, sampler="tpe"),
    ),
    Case(
        "digits, flawed", _flawed["digits"], "target",
        _spec("log_loss", [], ["sgd", "adamw", "rmsprop"], seed=7, space={"batch": ["full", 64]},
              rungs={"rule": "hyperband"}),
    ),
    Case(
        "generated, numbers", partial(generated, numeric=True), "target",
        _spec("mae", [32], ["momentum", "adam"], seed=8, question="compare", model={"dropout": 0.1}),
    ),
    Case(
        "generated, classes", partial(generated, numeric=False), "target",
        _spec("log_loss", [24], "all", seed=9, rungs={"rule": "median"}, sampler="sobol",
              budget=(60, 10)),
    ),
)  # fmt: skip


@dataclass
class Row:
    """What came of one study.

    Attributes:
        said: the last line of best.py, by the seed.
        replays: whether each replayed trial matches.
        again: whether the job gave the same the second time.
        broken: whether it did so through stops of the server; None if none met it.
        stops: of the server, while that one ran.
    """

    name: str
    metric: str
    said: dict[int, str]
    inside: dict[int, bool]
    replays: dict[int, bool]
    again: bool
    broken: bool | None = None
    stops: int = 0


def finished(client: Client, job: str) -> Json:
    """The job, once it has ended well."""
    (*_, view) = client.watch(job)
    if view["state"] != "completed" or not view["confirmed"]:
        raise RuntimeError(f"job {job} is {view['state']}: {view['error']} {view['warnings']}")
    return view


def every_trial(client: Client, job: str) -> list[Json]:
    """All trials; studies here are smaller than a page."""
    page = client._call("GET", f"/v1/jobs/{job}/trials", params={"limit": 1000})
    items: list[Json] = page["items"]
    return items


def numbers(client: Client, job: str) -> Json:
    """Everything that a study says but for how long it took."""
    trials = every_trial(client, job)
    report, best = client.report(job), client.best(job)
    return {
        "trials": [{k: v for k, v in trial.items() if k != "seconds"} for trial in trials],
        "script": client.best_script(job),
        **{part: report[part] for part in ("curves", "progress", "verdict", "confirmation")},
        **{part: best[part] for part in ("value", "trial", "config", "finalists")},
    }


def script(client: Client, job: str, file: Path) -> dict[int, tuple[bool, str]]:
    """Whether best.py lands inside its interval, and its last line, by seed."""
    path = file.with_name("best.py")
    path.write_text(client.best_script(job))
    own = client.job(job)["spec"]["seed"]
    found = {}
    for seed, options in ((own, ()), (FRESH_SEED, ("--seed", str(FRESH_SEED)))):
        ran = alone(path, str(file), *options)
        lines = ran.stdout.splitlines()
        if ran.stderr or "stated interval" not in lines[-1]:
            raise RuntimeError(f"best.py: {ran.stdout}{ran.stderr}")
        found[seed] = (ran.returncode == 0, lines[-1])
    return found


def replays(client: Client, job: str) -> dict[int, bool]:
    """Whether trials drawn at random match, bit for bit."""
    ended = [
        t["number"] for t in every_trial(client, job) if t["outcome"] in {"completed", "dropped"}
    ]
    chosen = random.Random(job).sample(ended, min(REPLAYED, len(ended)))
    return {number: client.replay(job, number)["matches"] for number in chosen}


def undisturbed(client: Client, case: Case, file: Path) -> tuple[Row, str, Json]:
    """One study and the same again; what came of it, its dataset, and all its numbers."""
    dataset = client.upload(file, target=case.target)["id"]
    job = finished(client, client.submit(dataset, **case.spec)["id"])["id"]
    first = numbers(client, job)
    said, matches = script(client, job, file), replays(client, job)
    second = finished(client, client.submit(dataset, **case.spec)["id"])["id"]
    row = Row(
        case.name,
        case.spec["metric"],
        {seed: line for seed, (_, line) in said.items()},
        {seed: inside for seed, (inside, _) in said.items()},
        matches,
        numbers(client, second) == first,
    )
    return row, dataset, first


@contextmanager
def server(settings: Settings) -> Any:
    """A client of a server that runs as long."""
    with served(settings) as token, Client(settings.local_url, token) as client:
        yield client


def through_stops(
    settings: Settings, cases: Sequence[Case], done: list[tuple[Row, str, Json]]
) -> None:
    """Every study once more, on a server that is stopped after 4 s, 6 s, 9 s, ..."""
    with server(settings) as client:
        queued = [
            client.submit(dataset, **case.spec)["id"]
            for case, (_, dataset, _) in zip(cases, done, strict=True)
        ]
    seconds = 4.0
    while True:
        with server(settings) as client:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                states = {client.job(job)["state"] for job in queued}
                if not states & {"queued", "running"}:
                    break
                time.sleep(0.1)
            else:
                seconds *= 1.5
                continue
            for job, (row, _, first) in zip(queued, done, strict=True):
                finished(client, job)
                row.stops = len(client.manifest(job)["attempts"]) - 1
                row.broken = numbers(client, job) == first if row.stops else None
            return


def main(studies: int = len(CASES)) -> None:
    """Measure all, print the table, write JSON."""
    console, cases = Console(), CASES[:studies]
    done = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        settings = Settings(
            home=folder / "home", port=8697, workers=2, log_level="error", database=None
        )
        with server(settings) as client:
            for place, case in enumerate(cases):
                home = folder / str(place)
                home.mkdir()
                done.append(undisturbed(client, case, case.write(home / "table.csv")))
                console.print(asdict(done[-1][0]))
        through_stops(settings, cases, done)
    rows = [row for row, _, _ in done]
    console.print(table(rows))
    console.print(summary(rows))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(row) for row in rows], indent=2))


def table(rows: Sequence[Row]) -> Table:
    """One line a study."""
    shown = Table(title="Repeatability")
    for column in ("study", "metric", "inside", "replays", "again", "through stops", "stops"):
        shown.add_column(column, justify="left" if column in {"study", "metric"} else "right")
    for row in rows:
        shown.add_row(
            row.name,
            row.metric,
            counted(row.inside.values()),
            counted(row.replays.values()),
            "same" if row.again else "differs",
            {True: "same", False: "differs", None: "-"}[row.broken],
            str(row.stops),
        )
    return shown


def counted(found: Any) -> str:
    """So many of so many."""
    listed = list(found)
    return f"{sum(listed)} of {len(listed)}"


def summary(rows: Sequence[Row]) -> str:
    """All studies in one line."""
    inside = counted(each for row in rows for each in row.inside.values())
    matched = counted(each for row in rows for each in row.replays.values())
    again = counted(row.again for row in rows)
    broken = counted(row.broken for row in rows if row.broken is not None)
    return (
        f"{inside} runs of best.py inside, {matched} replays match, {again} studies the same "
        f"again, {broken} through stops of the server"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=len(CASES))
    main(**vars(parser.parse_args()))
