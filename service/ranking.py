"""What `fallline compare` prints: optimizers in their order, and which can be told apart."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from service.client import Json
from service.display import number

AGAINST = {"beats": "beaten", "tie": "tie", "open": "open"}
"""How an optimizer stands against the first, whom nobody beats, by the outcome of the pair."""


def show_ranking(console: Console, report: Json) -> None:
    """Optimizers by what tuning picked of each: those that nobody beats, then the others.

    Each by its score on the test rows; before a confirmation, by that on the validation rows.
    """
    verdict = report["verdict"]
    console.print(_table(report))
    if verdict is None:
        console.print("[dim]Without fresh seeds nobody knows which differences are luck.[/]")
        return
    console.print(verdict["sentence"], highlight=False)
    for pair in verdict["pairs"]:
        if pair["outcome"] == "open" and verdict["leading"][0] in (pair["first"], pair["second"]):
            console.print(f"  [dim]{pair['sentence']}[/]", highlight=False)


def _table(report: Json) -> Table:
    verdict, metric = report["verdict"], report["metric"]
    table = Table(title="Ranking", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("optimizer", no_wrap=True)
    scores = ("test", "95 % interval", "verdict") if verdict else ("validation",)
    for name in (*scores, "rate", "trials", "diverged"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in _ordered(report):
        counts = (str(row["trials"]), str(row["diverged"]))
        if row["best"] is None:
            missing = ["-"] * (len(table.columns) - 3)
            table.add_row(row["optimizer"], *missing, *counts, style="dim")
            continue
        table.add_row(
            row["optimizer"],
            *(
                _tested(verdict, metric, row)
                if verdict
                else (number(metric, row["best"]["value"]),)
            ),
            f"{row['best']['config']['optimizer']['learning_rate']:.2g}",
            *counts,
            style="bold green" if verdict and row["optimizer"] in verdict["leading"] else None,
        )
    return table


def _tested(verdict: Json, metric: str, row: Json) -> list[str]:
    """Mean and interval on the test rows, and what the verdict says against the first."""
    finalist = _finalist(verdict, row)
    low, high = (number(metric, end) for end in finalist["interval"])
    names = {row["optimizer"], verdict["leading"][0]}
    outcomes = [p["outcome"] for p in verdict["pairs"] if {p["first"], p["second"]} == names]
    said = AGAINST[outcomes[0]] if outcomes else "first"
    return [number(metric, finalist["mean"]), f"{low} to {high}", said]


def _ordered(report: Json) -> list[Json]:
    """Rows of optimizers, best first; those without a completed trial last."""
    verdict, rows = report["verdict"], report["optimizers"]
    if not verdict:
        return list(rows)
    sign = -1 if report["direction"] == "maximize" else 1

    def place(row: Json) -> tuple[bool, bool, float]:
        if row["best"] is None:
            return True, True, 0.0
        mean = sign * _finalist(verdict, row)["mean"]
        return False, row["optimizer"] not in verdict["leading"], mean

    return sorted(rows, key=place)


def _finalist(verdict: Json, row: Json) -> Json:
    """What became of an optimizer's best trial from fresh seeds."""
    picked = row["best"]["number"]
    return next(each for each in verdict["finalists"] if each["number"] == picked)
