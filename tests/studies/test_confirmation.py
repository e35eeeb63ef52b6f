from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial

from optimizers.configuration import Configuration
from studies.confirmation import (
    LEADING,
    Confirmation,
    Run,
    choose,
    conclude,
    confirm,
    recommend,
    run_confirmation,
)
from studies.run import STATES, described
from studies.space import Space
from studies.spec import StudySpec
from studies.wave import WaveTrial, run_wave
from tests.studies.pretend import resolved
from tests.studies.test_wave import study

OPTIMIZERS = ["adam", "sgd", "rmsprop"]


def trial(number: int, optimizer: str, value: float | None, **attributes: Any) -> FrozenTrial:
    """A stored trial of an optimizer's defaults that scored this much, or diverged."""
    spec = resolved(space={"optimizers": "all"})
    space = Space(spec)
    default = next(c for c in space.defaults() if c.optimizer == optimizer)
    params = space.params(default)
    made = optuna.trial.create_trial(
        state=STATES["diverged" if value is None else "completed"],
        value=value,
        params=params,
        distributions=space.distributions(params),
        user_attrs={"seconds": 1.0, "wave": 0, "default": False, "untrained": 2.5} | attributes,
    )
    made.number = number
    return made


TRIALS = [
    trial(0, "adam", 0.3),
    trial(1, "sgd", 0.9),
    trial(2, "adam", 0.1),
    trial(3, "rmsprop", None),
    trial(4, "adam", 0.2),
    trial(5, "sgd", 0.8),
    trial(6, "adam", 0.4),
    trial(7, "adam", 0.5),
]


def run(number: int, seed: int, score: float | None, validation: float = 0.5) -> Run:
    """One run, its score on the test rows or None for diverged."""
    well = score is not None
    return Run(
        number=number,
        seed=seed,
        outcome="completed" if well else "diverged",
        validation={"log_loss": validation, "accuracy": validation} if well else {},
        test={} if score is None else {"log_loss": score, "accuracy": score},
        rows=50,
    )


def runs(number: int, scores: Sequence[float | None], validation: float = 0.5) -> list[Run]:
    return [run(number, seed, score, validation) for seed, score in enumerate(scores, 1)]


class Cluster:
    """Where confirmations are sent: every run scores 1 plus a thousandth of its seed."""

    def __init__(self, stopped: Sequence[int] = ()) -> None:
        self.sent: list[list[WaveTrial]] = []
        self.seconds: list[float | None] = []
        self.stopped = stopped

    def submit(
        self, spec: StudySpec, members: list[WaveTrial], seconds_left: float | None
    ) -> Future[list[Run]]:
        self.sent.append(members)
        self.seconds.append(seconds_left)
        done: Future[list[Run]] = Future()
        done.set_result([self.came_of(member) for member in members])
        return done

    def came_of(self, member: WaveTrial) -> Run:
        scored = run(member.number, member.seed, 1 + member.seed / 1000)
        if member.seed in self.stopped:
            return scored.model_copy(update={"outcome": "stopped", "validation": {}, "test": {}})
        return scored


# Whom to train again


def test_a_search_confirms_the_best_of_all_and_the_best_of_every_optimizer() -> None:
    assert choose(resolved(), TRIALS) == [2, 4, 0, 6, 5]


def test_a_comparison_confirms_the_best_few_of_every_optimizer() -> None:
    more = [trial(8, "adam", 0.05)]
    assert choose(resolved(question="compare"), [*TRIALS, *more]) == [8, 2, 4, 0, 5, 1]


def test_a_search_over_many_optimizers_confirms_the_leading_ones() -> None:
    names = Space(resolved(space={"optimizers": "all"})).optimizers[: LEADING + 5]
    tried = [trial(place, name, 1.0 + place) for place, name in enumerate(names)]
    assert choose(resolved(), tried) == list(range(LEADING))
    assert len(choose(resolved(question="compare"), tried)) == LEADING + 5


def test_where_nothing_completed_there_is_nothing_to_confirm() -> None:
    assert choose(resolved(), []) == []
    assert choose(resolved(), [trial(0, "adam", None)]) == []


# From which seeds


@pytest.mark.parametrize("in_flight", [1, 2, 3, 50])
def test_every_finalist_trains_from_every_fresh_seed(in_flight: int) -> None:
    spec, cluster = resolved(seed=7, confirmation={"seeds": 5}), Cluster()
    found = confirm(spec, [TRIALS[2], TRIALS[5]], cluster.submit, in_flight=in_flight)
    assert found is not None
    assert found.seeds == [8, 9, 10, 11, 12]
    assert {n: [each.seed for each in of] for n, of in found.runs.items()} == dict.fromkeys(
        (2, 5), found.seeds
    )
    assert len(cluster.sent) == min(in_flight, 5)
    for part in cluster.sent:  # each has whole seeds
        assert set(Counter(member.seed for member in part).values()) == {2}


def test_seeds_go_on_from_zero_after_the_last() -> None:
    found = confirm(resolved(seed=2**32 - 2), TRIALS[:1], Cluster().submit)
    assert found is not None
    assert found.seeds == [*range(9), 2**32 - 1]


@pytest.mark.parametrize(
    ("seconds", "seeds"), [(None, 10), (1000.0, 10), (20.0, 10), (8.0, 4), (4.1, 2)]
)
def test_short_of_time_there_are_fewer_seeds(seconds: float | None, seeds: int) -> None:
    cluster = Cluster()  # two workers, four finalists of a second each: two seconds a seed
    found = confirm(resolved(), TRIALS[:2] + TRIALS[4:6], cluster.submit, seconds, in_flight=2)
    assert found is not None
    assert len(found.seeds) == seeds
    assert set(cluster.seconds) == {seconds}


@pytest.mark.parametrize("seconds", [3.9, 0.0, -5.0])
def test_without_time_for_two_seeds_nothing_is_trained(seconds: float) -> None:
    cluster = Cluster()
    assert confirm(resolved(), TRIALS[:2], cluster.submit, seconds) is None
    assert cluster.sent == []


def test_a_seed_that_was_stopped_counts_for_nobody() -> None:
    spec = resolved(confirmation={"seeds": 4})
    found = confirm(spec, TRIALS[:2], Cluster(stopped=[2]).submit)
    assert found is not None
    assert found.seeds == [1, 3, 4]
    assert confirm(spec, TRIALS[:2], Cluster(stopped=[1, 2, 3]).submit) is None


# Training them


def test_a_run_is_the_trial_from_another_seed_and_on_other_rows() -> None:
    spec, data = study("wine", rungs={"rule": "none"})
    finalists = [
        WaveTrial(3, Configuration("adam", {"learning_rate": 0.01}, batch=32), 5),
        WaveTrial(4, Configuration("sgd", {"learning_rate": 0.1}, "plateau", batch="full"), 6),
        WaveTrial(9, Configuration("sgd", {"learning_rate": 1e12}, batch=32), 5),
    ]
    found = run_confirmation(data, spec, finalists)
    assert [(each.number, each.seed, each.outcome) for each in found] == [
        (3, 5, "completed"), (4, 6, "completed"), (9, 5, "diverged"),
    ]  # fmt: skip
    on_validation = run_wave(data, spec, finalists)
    on_test = run_wave(replace(data, validation=data.test), spec, finalists)
    for each, validated in zip(found[:2], on_validation, strict=False):
        assert each.validation == validated.metrics
    # A schedule that watches the validation loss must not watch the test rows instead.
    assert found[0].test == on_test[0].metrics
    assert found[1].test != found[1].validation
    assert (found[2].validation, found[2].test) == ({}, {})


def test_a_run_that_is_ended_early_is_stopped() -> None:
    spec, data = study("wine")
    member = WaveTrial(3, Configuration("adam", batch=32), 5)
    answers = iter([True] * 5 + [False])
    (each,) = run_confirmation(data, spec, [member], lambda: next(answers))
    assert (each.outcome, each.validation, each.test) == ("stopped", {}, {})


# What it says


def confirmation(**scores: tuple[Sequence[float | None], float]) -> Confirmation:
    """Of trials 2 (adam) and 5 (sgd): scores by seed, and the score on validation rows."""
    found = {
        number: runs(number, *scores[name])
        for number, name in ((2, "adam"), (5, "sgd"))
        if name in scores
    }
    return Confirmation(seeds=list(range(1, 1 + len(next(iter(found.values()))))), runs=found)


GOOD, POOR = [0.2, 0.21, 0.19, 0.2], [0.9, 0.92, 0.88, 0.91]


def test_a_search_tells_of_configurations_and_a_comparison_of_optimizers() -> None:
    found = confirmation(adam=(GOOD, 0.2), sgd=(POOR, 0.9))
    verdict = conclude(resolved(), TRIALS, found)
    assert (verdict.about, verdict.winner) == ("configurations", "adam")
    assert verdict.sentence == (
        "adam's best beats sgd's best on rows that no trial has seen. No trial of rmsprop completed."
    )
    assert conclude(resolved(question="compare"), TRIALS, found).about == "optimizers"


def test_a_run_that_diverged_is_no_better_than_no_training() -> None:
    found = confirmation(adam=([0.2, None, 0.2, 0.2], 0.2), sgd=(POOR, 0.9))
    verdict = conclude(resolved(), TRIALS, found)
    adam = next(each for each in verdict.finalists if each.optimizer == "adam")
    assert adam.mean == pytest.approx((0.6 + 2.5) / 4)
    assert adam.diverged == 1


def test_intervals_keep_to_what_a_metric_can_be() -> None:
    found = confirmation(adam=([0.01, 0.5, 0.01, 0.01], 0.2))
    (row,) = conclude(resolved(), TRIALS, found).finalists
    assert row.next_run[0] == 0.0


def test_equal_shares_of_rows_do_not_promise_the_next_to_be_the_same() -> None:
    equal = [0.9] * 10
    found = Confirmation(seeds=list(range(1, 11)), runs={7: runs(7, equal)})
    (row,) = conclude(resolved(metric="accuracy"), TRIALS, found).finalists
    low, high = row.next_run
    assert low < 0.9 - 1 / 50 < 0.9 + 1 / 50 < high  # one of the 50 rows more or less
    assert high - low < 4 / 50
    (row,) = conclude(resolved(), TRIALS, confirmation(adam=(equal, 0.9))).finalists
    assert row.next_run == pytest.approx((0.9, 0.9))


def test_the_recommended_finalist_is_the_best_by_validation_that_nobody_beats() -> None:
    def recommended(**scores: tuple[Sequence[float | None], float]) -> int:
        found = confirmation(**scores)
        return recommend(resolved(), found, conclude(resolved(), TRIALS, found))

    spread = list(np.linspace(0.1, 0.9, 4))
    # Beaten on the test rows: its validation does not count.
    assert recommended(adam=(GOOD, 0.9), sgd=(POOR, 0.1)) == 2
    # Not beaten: the test rows do not count.
    assert recommended(adam=(spread, 0.9), sgd=(spread[::-1], 0.1)) == 5
    assert recommended(adam=(spread, 0.1), sgd=(spread[::-1], 0.9)) == 2
    # Steady before lucky.
    assert recommended(adam=([*spread[:3], None], 0.1), sgd=(spread[::-1], 0.9)) == 5
    assert recommended(adam=([None] * 4, 0.1), sgd=([None] * 4, 0.9)) == 2


def test_a_confirmation_is_stored_as_it_is() -> None:
    found = confirmation(adam=([0.2, None], 0.2))
    assert Confirmation.model_validate(found.model_dump(mode="json")) == found


def test_finalists_train_in_the_words_of_the_study() -> None:
    cluster, spec = Cluster(), resolved()
    confirm(spec, [TRIALS[2]], cluster.submit)
    (member,) = described(Space(spec), spec, [TRIALS[2]])
    assert [replace(each, seed=spec.seed) for each in cluster.sent[0]] == [member] * 10
