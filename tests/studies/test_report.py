from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from optimizers.configuration import Configuration
from studies.confirmation import Confirmation, choose
from studies.importance import importance
from studies.pareto import pareto
from studies.portfolio import portfolio
from studies.report import leaders, report_on, summarise, view
from studies.search import Search
from studies.sensitivity import sensitivities
from studies.space import Space
from studies.spec import StudySpec
from studies.transfer import Source, Transferred
from tests.studies.pretend import ended, resolved
from tests.studies.test_confirmation import run

LOWEST = resolved(
    space={"optimizers": ["sgd", "adam", "momentum"], "schedules": ["constant", "linear"]}
)
HIGHEST = LOWEST.model_copy(update={"metric": "accuracy"})
START = datetime(2026, 3, 1, 12)


def trial(
    number: int,
    optimizer: str = "sgd",
    value: float | None = None,
    outcome: str = "completed",
    rate: float = 0.01,
) -> FrozenTrial:
    space = Space(LOWEST)
    configuration = Configuration(optimizer, {"learning_rate": rate}, batch=32)
    params = space.params(configuration)
    state = {
        "completed": TrialState.COMPLETE,
        "dropped": TrialState.PRUNED,
        "diverged": TrialState.PRUNED,
        "stopped": TrialState.FAIL,
        "running": TrialState.RUNNING,
    }[outcome]
    attributes: dict[str, Any] = {
        "outcome": outcome, "metrics": {"log_loss": 1.5}, "seconds": 0.25, "epochs": 2,
    }  # fmt: skip
    if outcome == "diverged":
        attributes["diverged_at"] = 12
    made = create_trial(
        state=state,
        value=value,
        params=params,
        distributions=space.distributions(params),
        user_attrs={} if outcome == "running" else attributes,
        intermediate_values={} if value is None else {1: 9.0, 2: value},
    )
    made.number = number
    made.datetime_start = START
    if state.is_finished():
        made.datetime_complete = START + timedelta(seconds=number)
    return made


TRIALS = [
    trial(0, "sgd", 0.7),
    trial(1, "adam", 0.4),
    trial(2, "sgd", outcome="diverged"),
    trial(3, "sgd", 0.5),
    trial(4, "adam", 0.4, rate=0.02),
    trial(5, "momentum", outcome="stopped"),
    trial(6, "adam", 0.9),
    trial(7, "sgd", 0.3),
    trial(8, "adam", outcome="running"),
]


@pytest.mark.parametrize(
    ("spec", "direction", "order", "best", "progress"),
    [
        (LOWEST, "minimize", {"sgd": 7, "adam": 1}, 7, [(0, 0.7), (1, 0.4), (7, 0.3)]),
        (HIGHEST, "maximize", {"adam": 6, "sgd": 0}, 6, [(0, 0.7), (6, 0.9)]),
    ],
)
def test_a_report_says_who_is_best_in_either_direction(
    spec: StudySpec,
    direction: str,
    order: dict[str, int],
    best: int,
    progress: list[tuple[int, float]],
) -> None:
    assert leaders(spec, TRIALS) == order
    assert list(leaders(spec, reversed(TRIALS))) == list(order)
    report = summarise(spec, TRIALS)
    assert (report.metric, report.direction) == (spec.metric, direction)
    assert report.best == view(TRIALS[best], Space(spec))
    assert report.progress == progress
    assert [row.optimizer for row in report.optimizers] == [*order, "momentum"]
    found = {row.optimizer: row.best.number for row in report.optimizers if row.best}
    assert found == order
    assert report.curves == {name: {1: 9.0, 2: TRIALS[n].values[0]} for name, n in order.items()}


def test_a_report_counts_what_came_of_the_trials() -> None:
    report = summarise(LOWEST, TRIALS)
    assert report.trials == {"completed": 6, "diverged": 1, "stopped": 1, "running": 1}
    rows = {row.optimizer: (row.trials, row.diverged, row.median) for row in report.optimizers}
    assert rows == {"sgd": (4, 1, 0.5), "adam": (4, 0, 0.4), "momentum": (1, 0, None)}


def test_a_dropped_trial_tells_which_rung_dropped_it_and_why() -> None:
    dropped = trial(3, outcome="dropped")
    dropped.user_attrs |= {"dropped_at": 7, "threshold": 0.3, "rungs": {"3": 0.5}}
    shown = view(dropped, Space(LOWEST))
    assert (shown.outcome, shown.value, shown.audited) == ("dropped", None, False)
    assert (shown.dropped_at, shown.threshold, shown.rungs) == (7, 0.3, {3: 0.5})
    report = summarise(LOWEST, [*TRIALS, dropped])
    assert report.trials["dropped"] == 1
    assert [row.dropped for row in report.optimizers if row.optimizer == "sgd"] == [1]


@pytest.mark.parametrize(("spec", "regretted"), [(LOWEST, 2), (HIGHEST, 3)])
def test_a_report_says_how_often_dropping_was_wrong(spec: StudySpec, regretted: int) -> None:
    """An audited trial is regretted if it ends better than the best that passed in its wave."""
    waves = {0: ([0.5, 0.6], [0.55, 0.4, 0.7]), 1: ([0.2], [0.1, 0.9, 0.3])}
    trials: list[FrozenTrial] = []
    for wave, (passed, audited) in waves.items():
        for value in (*passed, *audited):
            trials.append(trial(len(trials), value=value))
            trials[-1].user_attrs |= {"wave": wave} | (
                {"audited": True} if value in audited else {}
            )
    audit = summarise(spec, trials).audit
    assert audit is not None
    assert (audit.audited, audit.regretted) == (6, regretted)
    assert summarise(spec, TRIALS).audit is None


def test_of_equal_trials_the_first_is_best() -> None:
    assert leaders(LOWEST, [trial(5, "adam", 0.1), trial(3, "adam", 0.1)]) == {"adam": 3}
    report = summarise(LOWEST, [trial(0, "adam", 0.1), trial(1, "sgd", 0.1)])
    assert [row.optimizer for row in report.optimizers] == ["adam", "sgd", "momentum"]
    assert report.best is not None
    assert report.best.number == 0
    assert report.progress == [(0, 0.1)]


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [trial(0, outcome="running")],
        [trial(0, outcome="diverged"), trial(1, "adam", outcome="stopped")],
    ],
)
def test_without_a_completed_trial_there_is_no_best(trials: list[FrozenTrial]) -> None:
    report = report_on(LOWEST, trials)
    assert report.best is None
    assert (report.progress, report.curves, report.pareto) == ([], {}, [])
    assert (report.importance.choices, report.importance.seed) == ([], None)
    assert [row.optimizer for row in report.optimizers] == ["sgd", "adam", "momentum"]
    assert all(row.best is None and row.median is None for row in report.optimizers)
    assert sum(report.trials.values()) == sum(row.trials for row in report.optimizers)
    assert leaders(LOWEST, trials) == {}


def test_a_report_tells_the_rates_and_troubles_of_every_optimizer() -> None:
    flat = trial(9, "sgd", 1.0)
    flat.user_attrs["trouble"] = "plateau"
    report = summarise(LOWEST, [*TRIALS, flat])
    assert view(flat, Space(LOWEST)).trouble == "plateau"
    assert {row.optimizer: row.troubles for row in report.optimizers} == {
        "sgd": {"plateau": 1}, "adam": {}, "momentum": {},
    }  # fmt: skip
    assert report.sensitivity == sensitivities(LOWEST, [*TRIALS, flat])
    points = {name: len(one.points) for name, one in report.sensitivity.items()}
    assert points == {"sgd": 5, "adam": 3, "momentum": 1}  # one is still running


def test_a_report_needs_a_metric() -> None:
    with pytest.raises(ValueError, match="is open"):
        summarise(StudySpec(), [])


def test_a_trial_is_shown_in_the_words_of_the_api() -> None:
    space = Space(LOWEST)
    shown = view(TRIALS[1], space)
    assert shown.model_dump() == {
        "number": 1,
        "origin": "sampler",
        "outcome": "completed",
        "value": 0.4,
        "config": {
            "optimizer": {
                "name": "adam", "learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999,
                "epsilon": 1e-8,
            },
            "schedule": {"name": "constant", "warmup": 0.0},
            "batch": 32,
        },
        "metrics": {"log_loss": 1.5},
        "seconds": 0.25,
        "epochs": 2,
        "rungs": {},
        "dropped_at": None,
        "threshold": None,
        "audited": False,
        "diverged_at": None,
        "trouble": None,
        "transferred": None,
        "reason": None,
    }  # fmt: skip
    diverged = view(TRIALS[2], space)
    assert (diverged.outcome, diverged.value, diverged.diverged_at) == ("diverged", None, 12)
    running = view(TRIALS[8], space)
    assert (running.outcome, running.value, running.seconds) == ("running", None, None)
    # A trial that another program ended says nothing of its outcome.
    foreign = trial(0, outcome="stopped")
    foreign.user_attrs.clear()
    assert view(foreign, space).outcome == "stopped"


def test_every_trial_tells_who_chose_its_configuration() -> None:
    space = Space(LOWEST)
    earlier = Source(job="j", dataset="d", trial=1, likeness=0.9, rank=1, completed=9)
    found = Transferred(
        source=earlier, params=space.params(portfolio(space, "classification", 100)[0])
    )
    search = Search(LOWEST, transferred=[found])
    origins = [view(trial, space).origin for trial in search.ask(30)]
    counts = Counter(origins)
    assert counts["default"] == len(space.defaults())
    # What an earlier job found is not tried again.
    assert counts["portfolio"] == len(portfolio(space, "classification", 100)) - 1
    assert list(counts) == ["default", "earlier_job", "portfolio", "sampler"]
    assert origins == list(counts.elements())


def test_who_chose_is_told_with_what_came_of_it() -> None:
    search = Search(LOWEST)
    trials = [ended(search.space, each) for each in search.ask(30)]
    for each in trials:
        completed = each.state is TrialState.COMPLETE
        each.user_attrs["outcome"] = "completed" if completed else "diverged"
    rows = {row.origin: row for row in summarise(LOWEST, trials).origins}
    assert list(rows) == ["default", "portfolio", "sampler"]
    assert sum(row.trials for row in rows.values()) == 30
    defaults = [each for each in trials if view(each, search.space).origin == "default"]
    scores = {t.number: t.values[0] for t in defaults if t.state is TrialState.COMPLETE}
    row = rows["default"]
    assert (row.trials, row.completed) == (len(defaults), len(scores))
    assert row.best is not None
    assert scores[row.best] == row.value == min(scores.values())
    lost = summarise(LOWEST, [t for t in trials if t.state is not TrialState.COMPLETE]).origins
    assert {(row.completed, row.best, row.value) for row in lost} == {(0, None, None)}


def test_a_report_tells_what_matters_and_what_it_costs() -> None:
    search = Search(LOWEST.model_copy(update={"sampler": "random"}))
    trials = [ended(search.space, each) for each in search.ask(60)]
    number = choose(LOWEST, trials)[0]
    scores: tuple[float | None, ...] = (0.5, None, 0.7)
    runs = [run(number, seed, score, score or 0.0) for seed, score in enumerate(scores, 1)]
    confirmation = Confirmation(seeds=[1, 2, 3], runs={number: runs})
    seeds = {number: scores}
    for each in trials:
        each.user_attrs |= {"seconds": 0.5, "state_bytes": 80}
    report = report_on(LOWEST, trials, confirmation)
    assert report.importance == importance(LOWEST, trials, seeds)
    assert report.importance.choices
    assert report.importance.seed is not None
    assert report.pareto == pareto(LOWEST, trials)
    assert [one.number for one in report.pareto] == [report.best.number if report.best else None]
    assert report_on(LOWEST, TRIALS).importance.choices == []
