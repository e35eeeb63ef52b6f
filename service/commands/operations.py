"""Commands for whoever runs a server: is all well, save everything, bring it back."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from service import settings
from service.commands import terminal
from service.doctor import examine

STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Look whether all is well with this machine, home and server; exit code 1 if something is not."""
    checks = list(examine(settings.load()))
    if as_json:
        terminal.console.print_json(json.dumps([check._asdict() for check in checks]))
    else:
        shown = Table(box=None, pad_edge=False)
        for name in ("", "", "found", "what to do"):
            shown.add_column(name, overflow="fold")
        for check in checks:
            state = f"[{STYLES[check.state]}]{check.state}[/]"
            shown.add_row(check.about, state, check.found, check.advice)
        terminal.console.print(shown)
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(1)


def backup(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="To be written: a .zip.")],
) -> None:
    """Save the database and all datasets in one file; the server may run meanwhile."""
    from service.backup import back_up  # noqa: PLC0415 - Optuna's tables: a second nobody else pays

    held = back_up(settings.load(), file)
    terminal.say(f"{file}: {held.jobs} jobs and {held.datasets} datasets, {held.bytes:,} bytes")


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A backup.")],
) -> None:
    """Bring a backup back into an empty home; jobs that were running go on when the server starts."""
    from service.backup import restore as bring_back  # noqa: PLC0415 - likewise

    chosen = settings.load()
    held = bring_back(chosen, file)
    terminal.say(f"{chosen.home} has {held.jobs} jobs and {held.datasets} datasets again")


def upgrade(
    saved: Annotated[
        bool, typer.Option("--saved", help="A PostgreSQL database has been saved with pg_dump.")
    ] = False,
) -> None:
    """Bring the tables of trials to the version of the installed Optuna; a copy is kept beside them."""
    from service.upgrade import upgrade as bring_along  # noqa: PLC0415 - likewise

    done = bring_along(settings.load(), saved=saved)
    if done.old == done.new:
        terminal.say(f"The trials have Optuna's schema {done.new} already.")
    else:
        kept = f"; the database as it was: {done.copy}" if done.copy else ""
        terminal.say(f"The trials had Optuna's schema {done.old} and have {done.new} now{kept}")
