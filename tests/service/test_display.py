from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from service import display
from service.client import FalllineError

COUNTS = {"total": 20, "running": 0, "completed": 10, "dropped": 7, "diverged": 2, "stopped": 1}
JOB: dict[str, Any] = {
    "id": "01a2-job",
    "mode": "managed",
    "name": "wi[n]e",
    "state": "completed",
    "metric": "accuracy",
    "best_value": 0.98765,
    "counts": COUNTS,
    "finalists": 2,
    "confirmed": True,
    "seconds": 12.34,
    "seconds_left": None,
    "transferred": [],
    "created": "2026-03-01T23:59:59.123456Z",
    "inferred": {"task": "'kind' is [text]"},
    "warnings": ["row [1] has no target"],
    "spec": {"task": "classification", "target": "kind [of]", "metric": "accuracy"},
}
CONFIG = {
    "optimizer": {"name": "adam", "learning_rate": 0.001234567, "beta1": 0.9},
    "schedule": {"name": "cosine", "final": 0.01, "warmup": 0.05},
    "batch": "full",
}
LEADER = {
    "number": 7,
    "value": 0.98765,
    "config": CONFIG,
    "metrics": {"loss": 0.1, "log_loss": 0.1, "accuracy": 0.98765},
}
BEST: dict[str, Any] = {
    "metric": "accuracy",
    "trial": 7,
    "value": 0.98765,
    "config": CONFIG,
    "metrics": LEADER["metrics"],
    "optimizers": [
        {"optimizer": "adam", "trials": 12, "diverged": 0, "best": LEADER, "median": 0.9},
        {"optimizer": "sgd", "trials": 8, "diverged": 8, "best": None, "median": None},
    ],
    "sentence": None,
    "finalists": [],
}
FINALIST = {
    "number": 7,
    "optimizer": "adam",
    "mean": 0.9512,
    "interval": [0.94, 0.96],
    "next_run": [0.91, 0.99],
    "seeds": 10,
    "diverged": 0,
}


@pytest.fixture
def console() -> Console:
    return Console(file=StringIO(), width=120)


def shown(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("wine", "wine"),
        ("my wine-2.0_b", "my wine-2.0_b"),
        ("../secret", "secret"),
        ("  spaced", "spaced"),
        ("a/b;c", "abc"),
        ("données", "données"),
        ("!!!", "dataset"),
        ("", "dataset"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_file_name_becomes_a_name_that_the_api_takes(file: str, name: str) -> None:
    assert display.label(file) == name


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.98765, "98.77%"),
        ("r2", -0.5, "-50.00%"),
        ("log_loss", 0.123456, "0.1235"),
        ("rmse", 12345.678, "1.235e+04"),
        ("rmse", None, "-"),
    ],
)
def test_numbers_are_written_as_people_do(metric: str, value: float | None, text: str) -> None:
    assert display.number(metric, value) == text


def test_a_refusal_lists_every_field() -> None:
    errors = [{"field": "seed", "message": "bad [seed]"}, {"message": "no field"}]
    text = display.describe(FalllineError("Two [things].", {"errors": errors}))
    console = Console(file=StringIO(), width=120)
    console.print(text)
    assert shown(console).splitlines() == ["Two [things].", "  seed: bad [seed]", "  : no field"]
    assert display.describe(FalllineError("One.", {"errors": errors[:1]})) == "One."
    assert display.describe(FalllineError("None.")) == "None."


def test_a_plan_says_what_was_recognised(console: Console) -> None:
    dataset = {"name": "t[a]ble", "rows": 12345, "columns": [1, 2], "warnings": ["careful [x]"]}
    display.show_plan(console, dataset, JOB)
    text = shown(console)
    for part in ("t[a]ble", "12,345 rows", "2 columns", "kind [of]", "judged by accuracy",
                 "task: 'kind' is [text]", "careful [x]", "row [1] has no target"):  # fmt: skip
        assert part in text


def test_an_answer_shows_the_winner_and_every_optimizer(console: Console) -> None:
    display.show_answer(console, JOB, BEST)
    text = shown(console)
    for part in ("Best configuration", "learning_rate 0.001235", "beta1 0.9", "cosine schedule",
                 "final 0.01", "batch full", "accuracy 98.77%", "log_loss 0.1", "trial 7",
                 "20 trials in 12.3 s", "2 diverged, 1 stopped"):  # fmt: skip
        assert part in text
    (adam,) = [line for line in text.splitlines() if line.split()[:1] == ["adam"]]
    assert adam.split() == ["adam", "98.77%", "0.1", "0.0012", "cosine", "full", "12", "0"]
    (sgd,) = [line for line in text.splitlines() if line.split()[:1] == ["sgd"]]
    assert sgd.split() == ["sgd", "-", "-", "-", "-", "-", "8", "8"]


def test_a_confirmed_answer_says_what_to_expect_on_new_rows(console: Console) -> None:
    verdict = "adam's best beats sgd's best on rows that no trial has seen."
    other = FINALIST | {"number": 3, "mean": 0.1}
    confirmed = BEST | {"sentence": verdict, "finalists": [FINALIST, other]}
    display.show_answer(console, JOB, confirmed)
    text = shown(console)
    for part in (verdict, "accuracy 95.12%", "mean of 10 fresh seeds", "94.00% to 96.00%",
                 "between 91.00% and 99.00%"):  # fmt: skip
        assert part in text
    assert "10.00%" not in text
    (adam,) = [line for line in text.splitlines() if line.split()[:1] == ["adam"]]
    assert adam.split() == [
        "adam",
        "98.77%",
        "0.1",
        "95.12%",
        "0.0012",
        "cosine",
        "full",
        "12",
        "0",
    ]
    (sgd,) = [line for line in text.splitlines() if line.split()[:1] == ["sgd"]]
    assert sgd.split() == ["sgd", "-", "-", "-", "-", "-", "-", "8", "8"]


def test_jobs_are_a_line_each(console: Console) -> None:
    queued = JOB | {"id": "other", "state": "queued", "best_value": None, "seconds": 0.0}
    display.show_jobs(console, [JOB, queued])
    lines = shown(console).splitlines()
    (first,) = [line for line in lines if "01a2-job" in line]
    assert all(
        part in first for part in ("wi[n]e", "completed", "20/20", "98.77%", "2026-03-01 23:59:59")
    )
    (second,) = [line for line in lines if "other" in line]
    assert "queued" in second


def test_following_ends_with_the_last_state(console: Console) -> None:
    queued = JOB | {"state": "queued", "best_value": None}
    running = JOB | {"state": "running", "seconds_left": 3.2}
    assert display.follow(console, iter([queued, running, JOB])) is JOB
    assert "20/20" in shown(console)
    assert "98.77%" in shown(console)


def test_an_answer_says_which_earlier_jobs_it_started_from(console: Console) -> None:
    display.show_answer(console, JOB, BEST)
    assert "earlier jobs" not in shown(console)
    names = (("wi[n]e", 0.5), ("digits", 0.4), ("wi[n]e", 0.75))
    sources = [{"dataset": name, "likeness": likeness} for name, likeness in names]
    display.show_answer(console, JOB | {"transferred": sources}, BEST)
    assert (
        "3 of the first trials are from your earlier jobs on wi[n]e (likeness 0.75), "
        "digits (likeness 0.40)"
    ) in shown(console)


def test_following_says_when_finalists_are_confirmed(console: Console) -> None:
    confirming = JOB | {"state": "running", "confirmed": False, "finalists": 3}
    assert display.follow(console, iter([confirming])) is confirming
    assert "confirming 3 finalists" in shown(console)
