from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from service.ranking import show_ranking

SGD, ADAM, LION, MUON = "sgd", "adam", "lion", "muon"


def row(optimizer: str, number: int | None, value: float = 0.0) -> dict[str, Any]:
    best = {
        "number": number,
        "value": value,
        "config": {
            "optimizer": {"name": optimizer, "learning_rate": 0.0123},
        },
    }
    done = number is not None
    return {"optimizer": optimizer, "trials": 9, "diverged": 2, "best": best if done else None}


def finalist(number: int, mean: float) -> dict[str, Any]:
    return {"number": number, "mean": mean, "interval": [mean - 0.01, mean + 0.01]}


def pair(first: str, second: str, outcome: str) -> dict[str, Any]:
    return {
        "first": first,
        "second": second,
        "outcome": outcome,
        "sentence": f"{first} and {second} are {outcome}.",
    }


REPORT: dict[str, Any] = {
    "metric": "accuracy",
    "direction": "maximize",
    "optimizers": [row(SGD, 3, 0.99), row(ADAM, 1, 0.98), row(LION, 2, 0.97), row(MUON, None)],
    "verdict": {
        "leading": [ADAM, LION],
        "sentence": "adam beats sgd on rows that no trial has seen; lion cannot be told from it.",
        # Of each optimizer a runner-up too, which nobody asks about.
        "finalists": [finalist(7, 0.99), finalist(1, 0.95), finalist(2, 0.94), finalist(3, 0.96)],
        "pairs": [
            pair(ADAM, SGD, "beats"),
            pair(LION, ADAM, "open"),
            pair(LION, SGD, "open"),
        ],
    },
}


def shown(report: dict[str, Any]) -> list[list[str]]:
    console = Console(file=(text := StringIO()), width=80)
    show_ranking(console, report)
    return [line.split() for line in text.getvalue().splitlines() if line.strip()]


def test_whom_nobody_beats_comes_first() -> None:
    _title, head, _rule, *lines = shown(REPORT)
    assert " ".join(head).startswith("optimizer test 95 % interval verdict rate trials diverged")
    assert [" ".join(line) for line in lines] == [
        "adam 95.00% 94.00% to 96.00% first 0.012 9 2",
        "lion 94.00% 93.00% to 95.00% open 0.012 9 2",
        "sgd 96.00% 95.00% to 97.00% beaten 0.012 9 2",
        "muon - - - - 9 2",
        "adam beats sgd on rows that no trial has seen; lion cannot be told from it.",
        "lion and adam are open.",
    ]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_of_those_the_better_score_comes_first(direction: str) -> None:
    everybody = {"leading": [SGD, ADAM, LION], "pairs": []}
    lines = shown(REPORT | {"direction": direction, "verdict": REPORT["verdict"] | everybody})
    names = [line[0] for line in lines[3:7]]
    best_first = [SGD, ADAM, LION]
    assert names[:3] == (best_first if direction == "maximize" else best_first[::-1])


def test_before_a_confirmation_validation_decides() -> None:
    _title, head, _rule, *lines = shown(REPORT | {"verdict": None})
    assert "test" not in head
    assert [line[0] for line in lines[:4]] == [SGD, ADAM, LION, MUON]
    assert " ".join(lines[0]) == "sgd 99.00% 0.012 9 2"
    assert " ".join(lines[3]) == "muon - - 9 2"
    assert "luck" in lines[4][-1]
