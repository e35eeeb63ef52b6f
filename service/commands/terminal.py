"""What commands share: where they print, and the client that they speak through."""

import json
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from rich.console import Console

from service import settings
from service.client import Client, FalllineError, Json

console = Console()
errors = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
JobId = Annotated[str, typer.Argument(help="The job's id.")]


def say(text: str) -> None:
    """Print a line as it is."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def client() -> Client:
    """A client of the server on this machine, with its token."""
    chosen = settings.load()
    token = chosen.token.get_secret_value() if chosen.token else None
    if token is None and chosen.token_file.exists():
        token = chosen.token_file.read_text(encoding="utf-8").strip()
    if token is None:
        raise FalllineError(
            f"There is no token at {chosen.token_file}. Start a server with `fallline serve`, "
            "or set FALLLINE_TOKEN."
        )
    return Client(chosen.local_url, token)


def list_all(
    context: typer.Context,
    fetch: Callable[[Client], Iterator[Json]],
    show: Callable[[Console, list[Json]], None],
    *,
    as_json: bool,
) -> None:
    """What a group of commands does when none of them is named."""
    if context.invoked_subcommand is not None:
        return
    with client() as asked:
        listed = list(fetch(asked))
    if as_json:
        console.print_json(json.dumps(listed))
    else:
        show(console, listed)
