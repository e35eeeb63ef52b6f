"""What the command line shows: plans, progress and answers."""

import re
from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from service.client import FalllineError, Json

STATE_COLOURS = {
    "completed": "green",
    "running": "cyan",
    "queued": "yellow",
    "paused": "magenta",
    "failed": "red",
    "cancelled": "dim",
}
SHARES = {"accuracy", "r2"}  # metrics that read best as a percentage


def plain(text: str) -> str:
    """Text as it is, whatever brackets it holds."""
    return escape(text)


def label(text: str) -> str:
    """A dataset name that the API takes, near to a file's name."""
    return re.sub(r"^\W+|[^\w .-]", "", text)[:64] or "dataset"


def describe(error: FalllineError) -> str:
    """A refusal in one line; if several fields are wrong, one more for each."""
    fields = error.problem.get("errors", [])
    lines = [f"  {each.get('field', '')}: {each['message']}" for each in fields if len(fields) > 1]
    return plain("\n".join([str(error), *lines]))


def show_plan(console: Console, dataset: Json, job: Json) -> None:
    """What was recognised and what is going to happen."""
    spec = job["spec"]
    console.print(
        f"[bold]{plain(dataset['name'])}[/]: {dataset['rows']:,} rows, "
        f"{len(dataset['columns'])} columns; {spec['task']} of [bold]{plain(spec['target'])}[/], "
        f"judged by {spec['metric']}"
    )
    for field, why in job["inferred"].items():
        console.print(f"  [dim]{plain(field)}: {plain(why)}[/]", highlight=False)
    for warning in [*dataset["warnings"], *job["warnings"]]:
        console.print(f"  [yellow]{plain(warning)}[/]", highlight=False)


def follow(console: Console, views: Iterator[Json]) -> Json:
    """A progress bar until the job has ended; returns its last state."""
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TextColumn("trials  best [bold]{task.fields[best]}[/]  {task.fields[left]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("waiting", total=None, best="-", left="")
        view: Json = {}
        for view in views:
            counts = view["counts"]
            done = _ended(counts)
            left = view["seconds_left"]
            confirming = view["finalists"] and not view["confirmed"] and view["state"] == "running"
            progress.update(
                task,
                description=f"confirming {view['finalists']} finalists"
                if confirming
                else view["state"],
                total=counts["total"],
                completed=done,
                best=number(view["metric"], view["best_value"]),
                left="" if left is None else f"{left:.0f} s left",
            )
    return view


def show_answer(console: Console, job: Json, best: Json) -> None:
    """The winner, and the best of every optimizer."""
    counts, config, metric = job["counts"], best["config"], best["metric"]
    metrics = "   ".join(
        f"{name} [bold]{number(name, value)}[/]"
        for name, value in best["metrics"].items()
        if name != "loss" or name == metric  # ours is what was minimised, weights and all
    )
    measured = "validation, " if job["mode"] == "managed" else ""
    lines = [
        f"[bold green]{config['optimizer']['name']}[/]  {_settings(config['optimizer'])}",
        f"[bold green]{config['schedule']['name']}[/] schedule  {_settings(config['schedule'])}",
        f"batch [bold green]{config['batch']}[/]",
        "",
        f"{metrics}   [dim]({measured}trial {best['trial']})[/]",
    ]
    for finalist in best["finalists"]:
        if finalist["number"] == best["trial"]:
            low, high = (number(metric, end) for end in finalist["interval"])
            lowest, highest = (number(metric, end) for end in finalist["next_run"])
            lines += [
                f"{metric} [bold]{number(metric, finalist['mean'])}[/]   [dim](test, mean of "
                f"{finalist['seeds']} fresh seeds; 95 % interval {low} to {high})[/]",
                f"[dim]a run of your own should land between {lowest} and {highest}[/]",
            ]
    console.print(Panel("\n".join(lines), title="Best configuration", expand=False))
    if best["sentence"]:
        console.print(best["sentence"], highlight=False)
    console.print(_leaderboard(best))
    ended = _ended(counts)
    console.print(
        f"{ended} trials in [bold]{job['seconds']:.1f} s[/] "
        f"({counts['dropped']} dropped early, {counts['diverged']} diverged, "
        f"{counts['stopped']} stopped)"
    )
    if job["transferred"]:
        console.print(f"[dim]{_transferred(job['transferred'])}[/]", highlight=False)


def _transferred(sources: list[Json]) -> str:
    """Where the first trials after the defaults came from, a name once with its best likeness."""
    likeness: dict[str, float] = {}
    for source in sources:
        name = source["dataset"]
        likeness[name] = max(source["likeness"], likeness.get(name, 0.0))
    named = ", ".join(f"{plain(name)} (likeness {each:.2f})" for name, each in likeness.items())
    return f"{len(sources)} of the first trials are from your earlier jobs on {named}"


def show_jobs(console: Console, jobs: list[Json]) -> None:
    """A line a job; names where there are any."""
    named = any(job["name"] for job in jobs)
    table = Table(box=SIMPLE_HEAD)
    table.add_column("job", no_wrap=True, min_width=36)  # to be copied, however narrow the screen
    if named:
        table.add_column("name", no_wrap=True, max_width=12)
    for name in ("state", "trials", "metric", "best", "created"):
        table.add_column(name)
    for job in jobs:
        counts = job["counts"]
        colour = STATE_COLOURS.get(job["state"], "white")
        table.add_row(
            job["id"],
            *([plain(job["name"] or "-")] if named else []),
            f"[{colour}]{job['state']}[/]",
            f"{_ended(counts)}/{counts['total']}",
            job["metric"],
            number(job["metric"], job["best_value"]),
            _moment(job["created"]),
        )
    console.print(table)


def show_datasets(console: Console, datasets: list[Json]) -> None:
    """A line a dataset."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("dataset", no_wrap=True, min_width=36)
    for name in ("name", "rows", "columns", "target", "format", "created"):
        table.add_column(name)
    for dataset in datasets:
        table.add_row(
            dataset["id"],
            plain(dataset["name"]),
            f"{dataset['rows']:,}",
            str(len(dataset["columns"])),
            plain(dataset["target"] or "-"),
            (dataset["format"] or {}).get("kind", "text"),
            _moment(dataset["created"]),
        )
    console.print(table)


def show_tokens(console: Console, tokens: list[Json]) -> None:
    """A line a token."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("token", no_wrap=True, min_width=36)
    for name in ("name", "owner", "ends with", "scopes", "created", "until"):
        table.add_column(name)
    for token in tokens:
        until = token["revoked"] or token["expires"]
        table.add_row(
            token["id"],
            plain(token["name"]),
            token["owner"],
            token["last4"],
            ", ".join(token["scopes"]),
            _moment(token["created"]),
            ("revoked " if token["revoked"] else "") + (_moment(until) if until else "-"),
            style="dim" if token["revoked"] else None,
        )
    console.print(table)


def number(metric: str, value: float | None) -> str:
    """A metric's value as people write it."""
    if value is None:
        return "-"
    return f"{value:.2%}" if metric in SHARES else f"{value:.4g}"


def _moment(text: str) -> str:
    return text[:19].replace("T", " ")


def _ended(counts: dict[str, int]) -> int:
    """How many trials have ended, however."""
    return sum(counts[name] for name in ("completed", "dropped", "diverged", "stopped"))


def _leaderboard(best: Json) -> Table:
    metric = best["metric"]
    others = [name for name in best["metrics"] if name not in {metric, "loss"}]
    table = Table(title="Best of every optimizer", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("optimizer", no_wrap=True)
    tested = {each["number"]: number(metric, each["mean"]) for each in best["finalists"]}
    for name in (metric, *others, *(["test"] if tested else []), "rate"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("schedule", no_wrap=True)
    for name in ("batch", "trials", "diverged"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in best["optimizers"]:
        leader, counts = row["best"], (str(row["trials"]), str(row["diverged"]))
        style = "bold green" if row["optimizer"] == best["config"]["optimizer"]["name"] else None
        if leader is None:
            missing = ["-"] * (len(others) + 4 + bool(tested))
            table.add_row(row["optimizer"], *missing, *counts, style="dim")
            continue
        config = leader["config"]
        table.add_row(
            row["optimizer"],
            number(metric, leader["value"]),
            *(number(name, leader["metrics"][name]) for name in others),
            *([tested.get(leader["number"], "-")] if tested else []),
            f"{config['optimizer']['learning_rate']:.2g}",
            config["schedule"]["name"],
            str(config["batch"]),
            *counts,
            style=style,
        )
    return table


def _settings(part: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in part.items() if name != "name")


def replay_line(found: Json) -> str:
    """Whether a replay is the same, in one line; if not, where it parts and what has changed."""
    at, stored, curve = found["parts_at"], found["stored"], found["curve"]
    epochs = max(map(int, stored))
    if at is None:
        return f"trial {found['number']}: the same to the last bit over {epochs} epochs"
    before, after = (values.get(str(at), "nothing") for values in (stored, curve))
    if found["differences"] is None:
        why = "nobody recorded its environment"
    else:
        changed = (f"{d['field']} was {d['then']}, is {d['now']}" for d in found["differences"])
        why = ", ".join(changed) or "its environment is the same"
    return f"trial {found['number']}: parts at epoch {at} of {epochs}: {before}, now {after}; {why}"
