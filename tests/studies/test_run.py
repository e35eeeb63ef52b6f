import threading
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState

from optimizers.registry import RULES
from studies.run import STATES, Asked, Told, run_study, wave_size
from studies.search import Search
from studies.spec import StudySpec
from studies.wave import TrialResult, WaveTrial
from tests.studies.pretend import Cluster, Wave, resolved, result, save, told


def run(spec: StudySpec, **how: Any) -> list[FrozenTrial]:
    """All trials of a study, stored as its events say."""
    stored: list[FrozenTrial] = list(how.get("known", ()))
    for event in run_study(spec, how.pop("submit", Cluster().submit), **how):
        save(stored, event)
    return stored


@pytest.mark.parametrize("in_flight", [1, 2, 3])
@pytest.mark.parametrize("trials", [1, 7, 8, 9, 50, 101])
def test_a_study_has_as_many_trials_as_its_budget_says(trials: int, in_flight: int) -> None:
    spec = resolved(budget={"trials": trials}, sampler="random")
    cluster = Cluster()
    stored = run(spec, submit=cluster.submit, in_flight=in_flight)
    assert [trial.number for trial in stored] == list(range(trials))
    assert all(trial.state.is_finished() for trial in stored)
    sizes = [len(wave) for wave in cluster.waves]
    so_far = [sum(sizes[:place]) for place in range(len(sizes))]
    assert sizes[:-1] == [wave_size(trials, asked) for asked in so_far[:-1]]
    assert sum(sizes) == trials


@pytest.mark.parametrize(
    ("trials", "asked", "size"),
    [
        (1, 0, 8), (60, 0, 10), (60, 50, 10), (96, 0, 16), (400, 0, 16), (400, 100, 16),
        (400, 200, 25), (1000, 2000, 166), (100_000, 0, 16), (100_000, 5000, 256),
    ],
)  # fmt: skip
def test_waves_grow_with_the_study_up_to_a_limit(trials: int, asked: int, size: int) -> None:
    assert wave_size(trials, asked) == size


@pytest.mark.parametrize(
    ("in_flight", "order"), [(1, "ATATATAT"), (2, "AATATATT"), (3, "AAATATTT"), (9, "AAAATTTT")]
)
def test_waves_are_told_in_the_order_in_which_they_were_asked(in_flight: int, order: str) -> None:
    spec = resolved(budget={"trials": 32})
    events = list(run_study(spec, Cluster().submit, in_flight=in_flight))
    assert "".join("A" if isinstance(event, Asked) else "T" for event in events) == order
    for kind in (Asked, Told):
        numbers = [t.number for event in events if isinstance(event, kind) for t in event.trials]
        assert numbers == list(range(32))


def test_timing_cannot_change_a_study() -> None:
    spec = resolved(budget={"trials": 32})
    ended: list[threading.Event] = []

    def train(wave: int, trials: list[WaveTrial]) -> list[TrialResult]:
        if wave % 2 == 0:  # the wave that was asked after this one ends before it
            assert ended[wave + 1].wait(30)
        ended[wave].set()
        return [result(trial) for trial in trials]

    with ThreadPoolExecutor(2) as pool:

        def submit(
            spec: StudySpec, trials: list[WaveTrial], wave: int, seconds_left: float | None
        ) -> Future[list[TrialResult]]:
            ended.extend(threading.Event() for _ in range(2))
            submitted.append(len(submitted))
            return pool.submit(train, submitted[-1], trials)

        submitted: list[int] = []
        reordered = run(spec, submit=submit, in_flight=2)
    assert told(reordered) == told(run(spec, in_flight=2))


def test_what_came_of_a_trial_is_kept_with_it() -> None:
    for trial in run(resolved(budget={"trials": 20})):
        outcome = trial.user_attrs["outcome"]
        assert trial.state == STATES[outcome]
        assert trial.user_attrs["seconds"] == 0.01
        assert (trial.values is None) == (outcome == "diverged")
        assert trial.user_attrs.get("diverged_at") == (7 if outcome == "diverged" else None)
        assert trial.user_attrs["epochs"] == 2
        assert trial.user_attrs["state_bytes"] == 80 * len(RULES[trial.params["optimizer"]].state)
        assert trial.user_attrs["untrained"] == 2.5
        assert trial.user_attrs.get("trouble") == ("blow_up" if outcome == "diverged" else None)
        assert trial.intermediate_values
        assert trial.datetime_start is not None
        assert trial.datetime_complete is not None
        assert trial.datetime_start <= trial.datetime_complete


def test_trials_are_paired_by_the_seed_of_the_study() -> None:
    cluster = Cluster()
    run(resolved(budget={"trials": 20}, seed=5), submit=cluster.submit)
    assert {trial.seed for wave in cluster.waves for trial in wave} == {5}


@pytest.mark.parametrize("sampler", ["model", "tpe", "random"])
@pytest.mark.parametrize("in_flight", [1, 2])
def test_a_study_goes_on_wherever_it_was_stopped(sampler: str, in_flight: int) -> None:
    spec = resolved(budget={"trials": 44}, sampler=sampler)
    unbroken = run(spec, in_flight=in_flight)
    events = 12  # six waves, asked and told
    for stop_after in range(events):
        stored: list[FrozenTrial] = []
        study = run_study(spec, Cluster().submit, in_flight=in_flight)
        for event in islice(study, stop_after):
            save(stored, event)
        if stop_after:
            assert stored
        assert told(run(spec, known=stored, in_flight=in_flight)) == told(unbroken)


def test_interrupted_trials_are_trained_again_before_anything_is_asked() -> None:
    spec = resolved(budget={"trials": 40})
    search = Search(spec)
    known = [*search.ask(8), *search.ask(8)]
    cluster = Cluster()
    study = run_study(spec, cluster.submit, known=known, in_flight=2)
    first = next(study)
    assert [[t.number for t in wave] for wave in cluster.waves] == [
        list(range(8)), list(range(8, 16)),
    ]  # fmt: skip
    assert isinstance(first, Told)
    assert [trial.number for trial in first.trials] == list(range(8))
    assert [trial.params for trial in first.trials] == [trial.params for trial in known[:8]]
    second = next(study)
    assert isinstance(second, Asked)
    assert second.trials[0].number == 16


def test_a_finished_study_asks_for_nothing_more() -> None:
    spec = resolved(budget={"trials": 10})
    cluster = Cluster()
    known = run(spec)
    assert list(run_study(spec, cluster.submit, known=known)) == []
    assert cluster.waves == []


@pytest.mark.parametrize("in_flight", [1, 2])
def test_nothing_is_asked_once_the_seconds_are_spent(
    monkeypatch: pytest.MonkeyPatch, in_flight: int
) -> None:
    now = 1000.0
    monkeypatch.setattr("studies.run.time", SimpleNamespace(monotonic=lambda: now))
    # A third is for the confirmation.
    spec = resolved(budget={"trials": 100, "seconds": 90.0}, sampler="random")
    cluster = Cluster()
    asked = ended = 0
    for event in run_study(spec, cluster.submit, seconds_spent=10.0, in_flight=in_flight):
        if isinstance(event, Asked):
            asked += 1
        else:
            ended += 1
            now += 20.0  # two and a half waves fit into what is left
    assert (asked, ended) == (2 + in_flight, 2 + in_flight)
    first = [80.0] * in_flight  # as long as no trial has completed, there is nothing to confirm
    assert cluster.seconds_left == [*first, 30.0, 10.0]


def test_a_budget_may_be_raised_on_the_way_and_after_the_end() -> None:
    """What is asked until then is what the smaller budget asked."""
    spec = resolved(budget={"trials": 40}, sampler="random")
    small = run(spec)
    larger = spec.budget.model_copy(update={"trials": 70})
    budgets = iter([spec.budget] * 3)
    raised = run(spec, allowed=lambda: next(budgets, larger))
    continued = run(spec, known=small, allowed=lambda: larger)
    assert len(raised) == len(continued) == 70
    assert told(raised[:16]) == told(small[:16])
    assert told(continued[:40]) == told(small)


def test_a_budget_may_be_lowered_on_the_way() -> None:
    spec = resolved(budget={"trials": 400}, sampler="random")
    budgets, lower = iter([spec.budget] * 3), spec.budget.model_copy(update={"trials": 40})
    assert len(run(spec, allowed=lambda: next(budgets, lower))) == 40


def test_with_no_seconds_left_interrupted_trials_are_still_accounted_for() -> None:
    spec = resolved(budget={"trials": 40, "seconds": 5.0})
    known = Search(spec).ask(8)

    def submit(
        spec: StudySpec, trials: list[WaveTrial], wave: int, seconds_left: float | None
    ) -> Wave:
        assert seconds_left is not None
        assert seconds_left < 0
        return Wave(trials)

    stored = run(spec, submit=submit, known=known, seconds_spent=9.0)
    assert len(stored) == 8
    assert TrialState.RUNNING not in {trial.state for trial in stored}


def test_without_a_limit_no_seconds_are_counted() -> None:
    cluster = Cluster()
    run(resolved(budget={"trials": 8}), submit=cluster.submit, seconds_spent=1e9)
    assert cluster.seconds_left == [None]
