"""Commands about datasets: list them, delete one."""

from typing import Annotated

import typer

from service import display
from service.client import Client
from service.commands import terminal

datasets = typer.Typer()


@datasets.callback(invoke_without_command=True)
def list_datasets(context: typer.Context, as_json: terminal.AsJson = False) -> None:
    """List your datasets, newest first."""
    terminal.list_all(context, Client.datasets, display.show_datasets, as_json=as_json)


@datasets.command("delete")
def delete_dataset(dataset: Annotated[str, typer.Argument(help="The dataset's id.")]) -> None:
    """Delete a dataset that no job uses."""
    with terminal.client() as client:
        client.delete_dataset(dataset)
    terminal.say(f"dataset {dataset} is deleted")
