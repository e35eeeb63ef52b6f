"""Commands that train: submit a job, or more of one, and wait for its answer."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from service import display, ranking
from service.client import Client, FalllineError, Json
from service.commands import terminal

Table = Annotated[
    Path,
    typer.Argument(
        exists=True,
        dir_okay=False,
        help="A table: .csv with header, .tsv, .parquet or .npz; or a .zip of pictures.",
    ),
]
Target = Annotated[str | None, typer.Option(help="Column to predict.")]
Metric = Annotated[str | None, typer.Option(help="What to judge trials by.")]
Trials = Annotated[int, typer.Option(help="Configurations to try.")]
Epochs = Annotated[int, typer.Option(help="Passes over the data for each.")]
Seconds = Annotated[float | None, typer.Option(help="Stop after this long.")]
Seeds = Annotated[int, typer.Option(help="Fresh seeds that the finalists train from; 0 for none.")]
Encoding = Annotated[
    str | None, typer.Option(help="Of a text file, such as cp1252; left out, it is found out.")
]
Delimiter = Annotated[
    str | None, typer.Option(help="Between values of a text file: , ; | or a tab, also as \\t.")
]
Decimal = Annotated[str | None, typer.Option(help="Before decimals of a text file: . or ,")]
Name = Annotated[str | None, typer.Option(help="A label for your list of jobs.")]


def tune(
    file: Table,
    target: Target = None,
    metric: Metric = None,
    trials: Trials = 100,
    epochs: Epochs = 20,
    seconds: Seconds = None,
    optimizer: Annotated[
        list[str] | None, typer.Option(help="Search only this optimizer; may be repeated.")
    ] = None,
    seeds: Seeds = 10,
    seed: Annotated[
        int,
        typer.Option(
            help="The same seed gives the same study, earlier jobs being the same or --no-transfer."
        ),
    ] = 0,
    transfer: Annotated[
        bool, typer.Option(help="First try what your earlier jobs found on similar data.")
    ] = True,
    name: Name = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    as_json: terminal.AsJson = False,
) -> None:
    """Find the best optimizer, learning rate and schedule for a dataset."""
    spec: dict[str, Any] = {
        "budget": {"trials": trials, "epochs": epochs, "seconds": seconds},
        "confirmation": {"seeds": seeds},
        "seed": seed,
        "transfer": transfer,
        "name": name,
    }
    if metric:
        spec["metric"] = metric
    if optimizer:
        spec["space"] = {"optimizers": optimizer}
    with terminal.client() as client:
        written = _written(encoding, delimiter, decimal)
        job = _submit(client, file, target, spec, written, as_json=as_json)
        _await(client, job["id"], as_json=as_json)


def compare(
    file: Table,
    target: Target = None,
    metric: Metric = None,
    trials: Annotated[int, typer.Option(help="Configurations to try, equally many of each.")] = 140,
    epochs: Epochs = 20,
    seconds: Seconds = None,
    optimizer: Annotated[
        list[str] | None, typer.Option(help="Compare only this optimizer; may be repeated.")
    ] = None,
    seeds: Seeds = 10,
    seed: Annotated[int, typer.Option(help="Another seed gives another study.")] = 0,
    name: Name = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    as_json: terminal.AsJson = False,
) -> None:
    """Rank optimizers on a dataset: which is better, and which cannot be told apart."""
    spec: dict[str, Any] = {
        "budget": {"trials": trials, "epochs": epochs, "seconds": seconds},
        "confirmation": {"seeds": seeds},
        "question": "compare",
        "seed": seed,
        "metric": metric,
        "name": name,
    }
    if optimizer:
        spec["space"] = {"optimizers": optimizer}
    with terminal.client() as client:
        written = _written(encoding, delimiter, decimal)
        job = _submit(client, file, target, spec, written, as_json=as_json)
        _follow(client, job["id"], as_json=as_json)
        report = client.report(job["id"])
    if as_json:
        parts = ("metric", "direction", "verdict", "optimizers")
        terminal.console.print_json(
            json.dumps({"job": job["id"]} | {part: report[part] for part in parts})
        )
    else:
        ranking.show_ranking(terminal.console, report)


def extend(
    job: terminal.JobId,
    trials: Annotated[int | None, typer.Option(help="Configurations in all.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Seconds in all.")] = None,
    as_json: terminal.AsJson = False,
) -> None:
    """Give a job a larger budget and wait for its answer; one that has ended goes on."""
    budget = {"trials": trials, "seconds": seconds}
    given = {name: value for name, value in budget.items() if value is not None}
    if not given:
        raise typer.BadParameter("give --trials, --seconds or both")
    with terminal.client() as client:
        client.change(job, **given)
        _await(client, job, as_json=as_json)


def clone(
    job: terminal.JobId,
    trials: Annotated[int | None, typer.Option(help="Configurations to try.")] = None,
    seconds: Annotated[float | None, typer.Option(help="The most seconds to take.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed gives another study.")] = None,
    name: Name = None,
    as_json: terminal.AsJson = False,
) -> None:
    """Submit a job again, with what is given changed, and wait for its answer."""
    given = {"trials": trials, "seconds": seconds}
    budget = {limit: value for limit, value in given.items() if value is not None}
    described = {"seed": seed, "name": name, "budget": budget or None}
    changes = {field: value for field, value in described.items() if value is not None}
    with terminal.client() as client:
        _await(client, client.clone(job, **changes)["id"], as_json=as_json)


def watch(job: terminal.JobId, as_json: terminal.AsJson = False) -> None:
    """Follow a job's progress, then print its answer."""
    with terminal.client() as client:
        _await(client, job, as_json=as_json)


def _submit(
    client: Client,
    file: Path,
    target: str | None,
    spec: dict[str, Any],
    written: dict[str, str | None],
    *,
    as_json: bool,
) -> Json:
    """Upload a table, queue a job on it, and say what is going to happen."""
    dataset = client.upload(file, name=display.label(file.stem), target=target, **written)
    job = client.submit(dataset["id"], **spec)
    if not as_json:
        display.show_plan(terminal.console, dataset, job)
    return job


def _written(
    encoding: str | None, delimiter: str | None, decimal: str | None
) -> dict[str, str | None]:
    """How a text file is written, as the client takes it; a tab is hard to type in a shell."""
    delimiter = "\t" if delimiter == r"\t" else delimiter
    return {"encoding": encoding, "delimiter": delimiter, "decimal": decimal}


def _follow(client: Client, job_id: str, *, as_json: bool) -> Json:
    """Show a job's progress; the job when it has completed."""
    job = display.follow(terminal.errors if as_json else terminal.console, client.watch(job_id))
    if job["state"] != "completed":
        raise FalllineError(f"The job is {job['state']}. {job['error'] or ''}".strip())
    return job


def _await(client: Client, job_id: str, *, as_json: bool) -> None:
    """Show a job's progress, then its answer."""
    job = _follow(client, job_id, as_json=as_json)
    best = client.best(job_id)
    if as_json:
        terminal.console.print_json(json.dumps(best))
    else:
        display.show_answer(terminal.console, job, best)
