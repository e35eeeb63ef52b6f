"""Charts show the numbers that they are of, in figures that plotly knows."""

import math
from typing import Any

import plotly.graph_objects as go
import pytest

from service.charts.budgets import budgets
from service.charts.front import front
from service.charts.intervals import intervals
from service.charts.learning import curves, progress
from service.charts.learning_rates import learning_rates, score_axis
from service.charts.parallel import parallel
from service.charts.profile import profiles
from service.charts.race import Runner, race
from service.charts.scores import scale
from service.charts.shares import shares
from studies.importance import ChoiceShare
from studies.profile import Workload, profile
from studies.report import Report
from studies.sensitivity import Band, Point, Sensitivity, Zones
from studies.verdict import BudgetCurve
from tests.service.answers import reported
from tests.studies.pretend import resolved

OPTIMIZERS = ["sgd", "adam", "momentum"]
SUBJECT, REPORT = reported()


def known(figure: dict[str, Any] | None) -> dict[str, Any]:
    assert figure is not None
    go.Figure(figure)  # refuses what plotly does not know
    return figure


def told(report: Report = REPORT) -> Sensitivity:
    return report.sensitivity["sgd"]


def test_intervals_reach_from_end_to_end() -> None:
    assert REPORT.verdict is not None
    finalists = REPORT.verdict.finalists
    (trace,) = known(intervals(finalists, "log_loss", OPTIMIZERS))["data"]
    assert trace["x"] == [each.mean for each in finalists[::-1]]
    ends = [m + e for m, e in zip(trace["x"], trace["error_x"]["array"], strict=True)]
    assert ends == pytest.approx([each.interval[1] for each in finalists[::-1]])


def rates(said: Sensitivity) -> dict[str, Any]:
    scores = score_axis({"sgd": said}, maximize=False)
    assert scores is not None
    return known(learning_rates("sgd", said, scores, metric="loss", best=1, optimizers=OPTIMIZERS))


POINTS = [
    Point(number=0, learning_rate=1e-4, score=1.0, outcome="completed"),
    Point(number=1, learning_rate=1e-2, score=0.1, outcome="completed"),
    Point(number=2, learning_rate=1e-1, score=0.4, outcome="dropped"),
    Point(number=3, learning_rate=1.0, score=None, outcome="diverged"),
]
SAID = Sensitivity(
    learning_rate=1e-2,
    within_1_percent=Band(low=8e-3, high=2e-2, decades=0.4, open_below=False, open_above=False),
    within_5_percent=Band(low=5e-3, high=5e-2, decades=1.0, open_below=False, open_above=False),
    diverges_above=0.5,
    zones=Zones(too_small_below=5e-3, too_large_above=5e-2),
    borders=[],
    points=POINTS,
)


def test_rates_show_every_trial_and_diverged_ones_at_the_edge() -> None:
    (trace,) = rates(SAID)["data"]
    assert trace["x"] == [1e-4, 1e-2, 1e-1, 1.0]
    assert trace["y"] == [1.0, 0.1, 0.4, 1.0]
    assert trace["marker"]["symbol"] == ["circle", "star", "circle-open", "x"]
    (trace,) = rates(told())["data"]
    assert trace["x"] == pytest.approx([p.learning_rate for p in told().points], rel=1e-4)


def test_rates_are_called_too_small_good_and_too_large() -> None:
    layout = rates(SAID)["layout"]
    low, high = (10**end for end in layout["xaxis"]["range"])
    bands = [b[end] for b in layout["shapes"] if b["type"] == "rect" for end in ("x0", "x1")]
    assert bands == pytest.approx([low, 5e-3, 5e-2, high, 5e-3, 5e-2, 8e-3, 2e-2])
    (edge,) = [line["x0"] for line in layout["shapes"] if line["type"] == "line"]
    assert edge == 0.5
    notes = {note["text"]: 10 ** note["x"] for note in layout["annotations"]}
    assert notes == pytest.approx(
        {"too small": 5e-3, "too large": 5e-2, "good": math.sqrt(2.5e-4), "half diverge": 0.5}
    )


def test_what_no_trial_shows_is_not_drawn() -> None:
    unknown = SAID.model_copy(
        update={
            "within_1_percent": None,
            "within_5_percent": None,
            "diverges_above": None,
            "zones": Zones(too_small_below=None, too_large_above=None),
            "points": POINTS[:1],
        }
    )
    layout = rates(unknown)["layout"]
    assert (layout["shapes"], layout["annotations"]) == ([], [])
    assert score_axis({"sgd": unknown.model_copy(update={"points": []})}, maximize=False) is None
    assert (
        score_axis({"sgd": SAID.model_copy(update={"points": POINTS[3:]})}, maximize=True) is None
    )


def test_budgets_have_a_band_each() -> None:
    assert REPORT.verdict is not None
    found = REPORT.verdict.curves
    traces = known(budgets(found, "log_loss", OPTIMIZERS, maximize=False))["data"]
    assert len(traces) == 3 * len(found)
    by_name = {curve.optimizer: curve for curve in found}
    for low, high, line in zip(traces[::3], traces[1::3], traces[2::3], strict=True):
        curve = by_name[line["name"]]
        assert line["x"] == curve.trials
        for trace, numbers in ((low, curve.low), (high, curve.high), (line, curve.expected)):
            assert trace["y"] == pytest.approx(numbers, rel=1e-4)
    one = BudgetCurve(optimizer="sgd", trials=[1], expected=[0.5], low=[0.5], high=[0.5])
    assert known(budgets([one], "log_loss", OPTIMIZERS, maximize=False))["data"][2]["mode"] == (
        "markers"
    )
    assert budgets([], "log_loss", OPTIMIZERS, maximize=False) is None


def test_learning_curves_and_progress_are_those_of_the_report() -> None:
    found = known(curves(REPORT.curves, "log_loss", OPTIMIZERS, maximize=False))["data"]
    assert {t["name"]: dict(zip(t["x"], t["y"], strict=True)) for t in found} == REPORT.curves
    (line,) = known(progress(REPORT.progress, "log_loss", 60, maximize=False))["data"]
    assert line["y"][:-1] == pytest.approx([value for _, value in REPORT.progress], rel=1e-4)
    assert line["x"][-1] == 59
    assert curves({}, "log_loss", OPTIMIZERS, maximize=False) is None
    assert progress([], "log_loss", 0, maximize=False) is None


def test_an_infinite_score_leaves_a_gap() -> None:
    found = curves({"sgd": {1: math.inf, 2: 0.5}}, "log_loss", OPTIMIZERS, maximize=False)
    assert known(found)["data"][0]["y"] == [None, 0.5]


def test_many_optimizers_can_be_told_apart() -> None:
    spec = resolved(space={"optimizers": "all", "schedules": ["constant"]}, sampler="random")
    _, report = reported(spec, confirmed=False, count=300)
    names = list(report.sensitivity)
    traces = known(curves(report.curves, "log_loss", names, maximize=False))["data"]
    assert len(traces) > 40
    assert sum(trace["visible"] is True for trace in traces) == 8  # the others on request
    styles = [(trace["line"]["color"], trace["line"]["dash"]) for trace in traces]
    assert len(set(styles)) == len(styles)


def test_every_trial_is_a_line_through_its_choices() -> None:
    drawn = parallel(SUBJECT.trials, "log_loss", OPTIMIZERS, OPTIMIZERS, maximize=False)
    assert list(drawn) == ["score", "optimizer"]
    for figure in drawn.values():
        lines = sum(trace["x"].count(None) for trace in known(figure)["data"])
        assert lines == len(SUBJECT.trials)
    titles = drawn["score"]["layout"]["xaxis"]["ticktext"]
    assert titles == ["optimizer", "learning rate", "schedule", "batch", "validation log_loss"]
    by_name = {trace["name"]: trace for trace in drawn["score"]["data"]}
    assert list(by_name) == ["diverged", "others", "best 25%", "best 5%"]
    completed = sorted(t.value for t in SUBJECT.trials if t.value is not None)
    best = by_name["best 5%"]
    assert f"log_loss {completed[0]:.4g}" in " ".join(best["text"])
    ends = {name: trace["y"][4::6] for name, trace in by_name.items()}
    assert min(ends["best 5%"]) >= max(ends["best 25%"]) >= max(ends["others"])
    assert set(ends["diverged"]) == {-0.08}
    legend = [trace["name"] for trace in drawn["optimizer"]["data"]]
    assert legend == OPTIMIZERS


def test_without_a_score_there_are_no_lines() -> None:
    lost = [trial for trial in SUBJECT.trials if trial.outcome == "diverged"]
    assert lost
    assert parallel(lost, "log_loss", OPTIMIZERS, OPTIMIZERS, maximize=False) == {}


def test_the_front_stands_before_the_others() -> None:
    drawn = front(REPORT.pareto, SUBJECT.trials, "log_loss", OPTIMIZERS, maximize=False)
    assert list(drawn) == ["seconds", "memory"]
    others, *marked = known(drawn["seconds"])["data"]
    shown = {(x, y) for trace in marked for x, y in zip(trace["x"], trace["y"], strict=True)}
    assert {x for x, _ in shown} == {each.seconds for each in REPORT.pareto}
    completed = sum(trial.value is not None for trial in SUBJECT.trials)
    assert len(others["x"]) == completed - len(REPORT.pareto)
    memory = known(drawn["memory"])["data"]
    assert {x for trace in memory for x in trace["x"]} == {0, 800}
    same = [each.model_copy(update={"state_bytes": 8}) for each in REPORT.pareto]
    assert list(front(same, [], "log_loss", OPTIMIZERS, maximize=False)) == ["seconds"]
    assert front([], SUBJECT.trials, "log_loss", OPTIMIZERS, maximize=False) == {}


def test_shares_are_percent() -> None:
    choices = [
        ChoiceShare(choice="learning_rate", share=0.5, interval=(0.25, 0.75)),
        ChoiceShare(choice="batch", share=0.0, interval=(0.0, 0.0)),
    ]
    (bars,) = known(shares(choices))["data"]
    assert (bars["y"], bars["x"]) == (["batch", "learning rate"], [0.0, 50.0])
    assert (bars["error_x"]["array"], bars["error_x"]["arrayminus"]) == ([0.0, 25.0], [0.0, 25.0])


def test_profiles_are_those_of_the_studies() -> None:
    found = profile([Workload({"sgd": {1: 0.5, 4: 0.1}, "adam": {1: 0.5, 2: 0.1}}, 1.0, False)])
    traces = known(profiles(found))["data"]
    assert [trace["name"] for trace in traces] == ["adam", "sgd"]
    assert traces[0]["y"] == [100.0] * len(found.ratios)
    assert traces[1]["y"][0] == 0.0
    assert traces[1]["y"][-1] == 100.0
    assert profiles(profile([])) is None


def test_jobs_race_by_trials_and_by_seconds() -> None:
    runners = [
        Runner("A", 0, [(0, 0.5, 0.9), (7, 2.0, 0.3)], 20, 5.0),
        Runner("B", 1, [], 4, 1.0),
    ]
    first, second = known(race(runners, "trials", "rmse", maximize=False))["data"]
    assert (first["x"], first["y"]) == ([0, 7, 19], [0.9, 0.3, 0.3])
    assert (second["x"], second["y"]) == ([], [])
    first, _ = known(race(runners, "seconds", "rmse", maximize=False))["data"]
    assert first["x"] == [0.5, 2.0, 5.0]


@pytest.mark.parametrize(
    ("scores", "maximize", "ticks"),
    [
        ([0.5, 0.6, 0.9], True, [0.6, 0.8]),
        ([0.01, 0.1, 1.0], False, [0.01, 0.03, 0.1, 0.3, 1.0]),
        ([-3.0, 7.0], False, [-3.0, -2.0, 7.0]),
        ([2.0], True, [2.0]),
        ([math.inf], False, [0.0]),
    ],
)
def test_scores_lie_between_the_ends_of_their_axis(
    scores: list[float], maximize: bool, ticks: list[float]
) -> None:
    axis = scale(scores, maximize=maximize)
    for tick in ticks:
        assert axis.low <= tick <= axis.high
    assert 2 <= len(axis.ticks()) <= 12
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks())
