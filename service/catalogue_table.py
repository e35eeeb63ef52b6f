"""What `fallline optimizers` prints."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from service.client import Json
from service.display import plain


def show_optimizers(console: Console, optimizers: list[Json]) -> None:
    """A line an optimizer: the default of its learning rate, its range, and what it does."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("optimizer", no_wrap=True)
    table.add_column("learning rate", no_wrap=True)
    table.add_column("searched from", no_wrap=True)
    table.add_column("what it does")
    for optimizer in optimizers:
        declared = {each["name"]: each for each in optimizer["hyperparameters"]}
        rate = declared["learning_rate"]
        table.add_row(
            f"[bold]{plain(optimizer['name'])}[/]",
            f"{rate['default']:g}",
            f"{rate['low']:g} to {rate['high']:g}" if rate["searched"] else "-",
            plain(optimizer["summary"]),
        )
    console.print(table)
