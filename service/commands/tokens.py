"""Commands about tokens: list them, make or revoke one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from service import display
from service.client import Client
from service.commands import terminal

tokens = typer.Typer()


@tokens.command("make")
def make_token(
    name: Annotated[str, typer.Argument(help="A label for the list.")],
    owner: Annotated[str | None, typer.Option(help="For whom it acts; left out, for you.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="read, submit or admin; may be repeated.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0, help="It ends after so many days.")] = None,
    as_json: terminal.AsJson = False,
) -> None:
    """Make a token and print it, this once; left out, its scopes are read and submit."""
    request: dict[str, Any] = {"owner": owner, "scopes": scope}
    if days is not None:
        request["expires"] = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    given = {field: value for field, value in request.items() if value is not None}
    with terminal.client() as client:
        made = client.make_token(name, **given)
    if as_json:
        terminal.console.print_json(json.dumps(made))
    else:
        typer.echo(made["token"])


@tokens.callback(invoke_without_command=True)
def list_tokens(context: typer.Context, as_json: terminal.AsJson = False) -> None:
    """List your tokens, newest first."""
    terminal.list_all(context, Client.tokens, display.show_tokens, as_json=as_json)


@tokens.command("revoke")
def revoke_token(token: Annotated[str, typer.Argument(help="The token's id.")]) -> None:
    """End a token now."""
    with terminal.client() as client:
        ended = client.revoke_token(token)
    terminal.console.print(f"{display.plain(ended['name'])} (...{ended['last4']}) is revoked")
