"""The charts of running jobs: all that matters is drawn, however many trials there are."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from service.pages.best_so_far import DOTS, by_time, by_trials
from service.pages.learning_curves import BOLD, MOST, POINTS, chosen, learning_curves
from service.pages.live_chart import spread
from service.schemas import JobView
from service.trials import Outline

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
OPTIMIZERS = ["sgd", "adam", "lion"]
OUTCOMES = ("completed", "completed", "dropped", "diverged")


def job(direction: str = "minimize", mode: str = "managed") -> JobView:
    needed: dict[str, Any] = {"direction": direction, "mode": mode, "metric": "loss"}
    return JobView.model_construct(**needed)


def many(count: int, *, seconds: float = 1.0) -> list[Outline]:
    """Trials of every outcome, better on the whole from one to the next."""
    return [
        Outline(
            number,
            OPTIMIZERS[number % 3],
            outcome := OUTCOMES[number % 4],
            None if outcome == "diverged" else 1 + (number * 7919 % 1000) / (number + 1),
            BEGAN + timedelta(seconds=seconds * number),
        )
        for number in range(count)
    ]


def traces(figure: dict[str, Any], mode: str) -> list[dict[str, Any]]:
    return [trace for trace in figure["data"] if trace["mode"] == mode]


def test_what_is_spread_is_even_and_stays_as_more_comes() -> None:
    some = spread(range(10_000), 100)
    assert len(some) == 100
    assert max(after - before for before, after in pairwise(sorted(some))) < 300
    assert len(some & spread(range(10_500), 100)) >= 90
    assert spread(range(5), 100) == set(range(5))


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_best_so_far_only_gets_better_and_ends_at_the_best(direction: str) -> None:
    trials = many(5_000)
    chart = by_trials(job(direction), trials, OPTIMIZERS)
    (line,) = traces(chart.figure, "lines")
    values = [each.value for each in trials if each.outcome == "completed" and each.value]
    best = min(values) if direction == "minimize" else max(values)
    assert line["y"][-1] == pytest.approx(best, rel=1e-4)
    assert line["y"] == sorted(line["y"], reverse=direction == "minimize")
    assert line["x"][-1] == trials[-1].number
    dots = traces(chart.figure, "markers")
    assert [each["name"] for each in dots] == OPTIMIZERS
    drawn = {number for each in dots for number in each["customdata"]}
    assert set(line["x"][:-1]) <= drawn  # the trials that were best are never thinned out
    assert DOTS <= len(drawn) <= DOTS + len(line["x"])
    assert f"{len(drawn):,} of 5,000 trials" in chart.caption


def test_trials_stand_at_their_values_and_diverged_ones_at_the_bad_edge() -> None:
    trials = many(40)
    figure = by_trials(job(), trials, OPTIMIZERS).figure
    by_number = {
        number: (x, y, symbol)
        for each in traces(figure, "markers")
        for number, x, y, symbol in zip(
            each["customdata"], each["x"], each["y"], each["marker"]["symbol"], strict=True
        )
    }
    assert sorted(by_number) == list(range(40))
    edges = set()
    for each in trials:
        x, y, symbol = by_number[each.number]
        assert x == each.number
        if each.outcome == "diverged":
            assert symbol == "x"
            edges.add(y)
        else:
            assert symbol == {"completed": "circle", "dropped": "circle-open"}[each.outcome]
            assert y == pytest.approx(each.value, rel=1e-4)
    assert len(edges) == 1


@pytest.mark.parametrize(
    ("seconds", "unit", "end"), [(1, "seconds", 39), (60, "minutes", 39), (3600, "hours", 39)]
)
def test_time_is_told_in_a_unit_that_fits(seconds: float, unit: str, end: float) -> None:
    figure = by_time(job(), many(40, seconds=seconds), OPTIMIZERS, BEGAN).figure
    assert figure["layout"]["xaxis"]["title"]["text"].startswith(unit)
    assert max(max(each["x"]) for each in traces(figure, "markers")) == end


def test_of_thousands_of_curves_the_best_of_every_optimizer_are_drawn() -> None:
    trials = many(5_000)
    numbers = chosen(job(), trials)
    assert len(numbers) == MOST
    curves = {n: {epoch: 1 + n / epoch for epoch in range(1, 1001)} for n in numbers}
    chart = learning_curves(job(), trials, curves, OPTIMIZERS)
    bold = {
        trace["name"]: set(trace["customdata"]) - {trace["customdata"][-1]} | {number}
        for trace in traces(chart.figure, "lines")
        if trace["line"]["width"] == 3
        for number in trace["customdata"][:1]
    }
    for name in OPTIMIZERS:
        own = [t for t in trials if t.optimizer == name and t.outcome == "completed"]
        assert bold[name] == {min(own, key=lambda t: t.value or 0.0).number}
    drawn: dict[int, list[int]] = {}
    for trace in traces(chart.figure, "lines"):
        assert None in trace["x"]  # a gap between two curves
        for number, epoch in zip(trace["customdata"], trace["x"], strict=True):
            if epoch is not None:
                drawn.setdefault(number, []).append(epoch)
    assert drawn.keys() == numbers
    assert all(POINTS / 2 < len(epochs) <= POINTS + 1 for epochs in drawn.values())
    assert all(epochs == sorted(epochs) and epochs[-1] == 1000 for epochs in drawn.values())
    assert chart.caption.startswith(f"{MOST} of 5,000 learning curves")


def test_curves_that_ended_early_are_marked_where_they_ended() -> None:
    trials = many(12)
    curves = {each.number: {1: 2.0, 2: 1.0 + each.number} for each in trials}
    chart = learning_curves(job(), trials, curves, OPTIMIZERS)
    marks = {
        number: (symbol, x, y)
        for trace in traces(chart.figure, "markers")
        for number, symbol, x, y in zip(
            trace["customdata"], trace["marker"]["symbol"], trace["x"], trace["y"], strict=True
        )
    }
    assert marks == {
        each.number: (symbol, 2, 1.0 + each.number)
        for each in trials
        for outcome, symbol in (("dropped", "triangle-down-open"), ("diverged", "x"))
        if each.outcome == outcome
    }
    assert chart.caption.startswith("All 12 learning curves")


def test_nothing_but_diverged_trials_can_be_drawn_too() -> None:
    trials = [each for each in many(8) if each.outcome == "diverged"]
    (dots, *others) = by_trials(job(), trials, OPTIMIZERS).figure["data"]
    assert (dots["mode"], dots["marker"]["symbol"]) == ("markers", ["x"])
    assert traces({"data": others}, "lines") == []
    assert learning_curves(job(), trials, {}, OPTIMIZERS).figure["data"] == []


def test_curves_of_external_trials_are_drawn_while_they_train() -> None:
    trials = [Outline(0, "sgd", "running", None, None), *many(3)[1:]]
    assert 0 not in chosen(job(), trials)
    assert 0 in chosen(job(mode="external"), trials)


def test_of_many_optimizers_the_best_are_bold_and_all_are_named() -> None:
    optimizers = [f"rule {number}" for number in range(30)]
    trials = [
        Outline(number, optimizers[number % 30], "completed", 1.0 + number, BEGAN)
        for number in range(60)
    ]
    curves = {each.number: {1: 2.0, 2: 1.0} for each in trials}
    figure = learning_curves(job(), trials, curves, optimizers).figure
    lines = traces(figure, "lines")
    assert [each["name"] for each in lines if each["line"]["width"] == 3] == optimizers[:BOLD]
    assert [each["name"] for each in lines if each.get("showlegend", True)] == optimizers
    assert figure["layout"]["legend"]["orientation"] == "v"
    assert not by_trials(job(), trials, optimizers).figure["layout"]["showlegend"]
