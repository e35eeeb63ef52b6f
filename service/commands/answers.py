"""Commands that show or save what was found, and what can be searched."""

import json
from pathlib import Path
from typing import Annotated

import typer

from service import catalogue_table, display
from service.client import FalllineError, Form
from service.commands import terminal


def best(
    job: terminal.JobId,
    as_json: terminal.AsJson = False,
    python: Annotated[
        bool, typer.Option("--python", help="Print a script that trains and tests it.")
    ] = False,
) -> None:
    """Show what a job has found so far."""
    if as_json and python:
        raise typer.BadParameter("choose one of --json and --python")
    with terminal.client() as client:
        if python:
            typer.echo(client.best_script(job), nl=False)
            return
        found = client.best(job)
        if as_json:
            terminal.console.print_json(json.dumps(found))
        else:
            display.show_answer(terminal.console, client.job(job), found)


def export(
    job: terminal.JobId,
    form: Annotated[Form, typer.Option("--format", help="What to save.")],
    output: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Where to; replaced if it is there. Left out, a name that fits."
        ),
    ] = None,
) -> None:
    """Save what a job has found as a file: its trials as csv or parquet, the best in other forms."""
    with terminal.client() as client:
        try:
            saved = client.export(job, form, output)
        except OSError as error:
            raise FalllineError(f"The file cannot be written: {error}") from error
    size = saved.stat().st_size
    terminal.console.print(
        f"{saved}: {size:,} bytes", highlight=False, markup=False, soft_wrap=True
    )


def optimizers(as_json: terminal.AsJson = False) -> None:
    """List every optimizer: its learning rate, and what it does."""
    with terminal.client() as client:
        listed = list(client.optimizers())
    if as_json:
        terminal.console.print_json(json.dumps(listed))
    else:
        catalogue_table.show_optimizers(terminal.console, listed)


def replay(
    job: terminal.JobId,
    number: Annotated[int, typer.Argument(min=0, help="The trial's number.")],
    as_json: terminal.AsJson = False,
) -> None:
    """Train a trial again; exit code 1 unless it is the same to the last bit."""
    with terminal.client() as client:
        found = client.replay(job, number)
    if as_json:
        terminal.console.print_json(json.dumps(found))
    else:
        line = display.replay_line(found)
        terminal.say(line)
    if not found["matches"]:
        raise typer.Exit(1)
