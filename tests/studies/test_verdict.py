import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from studies.errors import EvidenceError
from studies.verdict import Pair, Trial, Verdict, finalists, judge
from studies.verdict.curves import best_of
from studies.verdict.difference import Difference, holm, picks, precedence
from studies.verdict.evidence import Arm, gather

Scores = Mapping[int, Sequence[float | None]]
SEEDS = 10


def study(levels: Mapping[str, float], trials: int = 20, spread: float = 0.1) -> list[Trial]:
    """Every optimizer's k-th best trial lies k spreads above its level."""
    return [
        Trial(place * trials + k, name, level + spread * k)
        for place, (name, level) in enumerate(levels.items())
        for k in range(trials)
    ]


def run(trials: Sequence[Trial], noise: float = 0.05, seeds: int = SEEDS) -> Scores:
    """Every finalist scores its validation value, give or take noise."""
    values = {trial.number: trial.value for trial in trials}
    draws = np.random.default_rng(1).normal(0, noise, (1000, seeds))
    return {
        number: tuple(float(values[number] or 0) + draws[number])
        for number in finalists("minimize", trials)
    }


def verdict(levels: Mapping[str, float], **kinds: Any) -> Verdict:
    trials = study(levels, **kinds)
    return judge("minimize", trials, run(trials))


# Finalists


def test_finalists_are_the_best_of_every_optimizer_best_first() -> None:
    trials = [
        Trial(0, "sgd", 0.9),
        Trial(1, "adam", 0.4),
        Trial(2, "adam", None),
        Trial(3, "adam", 0.2),
        Trial(4, "adam", 0.2),
        Trial(5, "lion", None),
    ]
    assert finalists("minimize", trials, 2) == [3, 4, 0]
    assert finalists("maximize", trials, 1) == [0, 1]
    assert finalists("minimize", []) == []
    assert finalists("minimize", trials) == [3, 4, 1, 0]


# One configuration


def test_mean_interval_and_next_run_are_students() -> None:
    scores = (1.0, 2.0, 3.0, 4.0)
    (row,) = judge("minimize", [Trial(0, "adam", 0.5)], {0: scores}).finalists
    deviation = np.std(scores, ddof=1)
    half = stats.t.ppf(0.975, 3) * deviation / 2
    assert row.mean == 2.5
    assert row.interval == pytest.approx((2.5 - half, 2.5 + half))
    half = stats.t.ppf(0.995, 3) * deviation * 1.25**0.5
    assert row.next_run == pytest.approx((2.5 - half, 2.5 + half))
    assert (row.seeds, row.diverged, row.validation) == (4, 0, 0.5)


@pytest.mark.parametrize(("chance", "worst"), [(None, 3.0), (2.0, 3.0), (7.0, 7.0)])
def test_a_diverged_seed_counts_as_the_worst(chance: float | None, worst: float) -> None:
    trials = [Trial(0, "adam", 0.5), Trial(1, "sgd", 0.6)]
    scored = {0: (1.0, 1.2, None), 1: (2.0, 3.0, 2.0)}
    rows = judge("minimize", trials, scored, chance=chance).finalists
    row = next(row for row in rows if row.number == 0)
    assert row.diverged == 1
    assert row.mean == pytest.approx((2.2 + worst) / 3)
    assert row.next_run[1] == worst
    assert row.next_run[0] < 1.0


def test_a_finalist_that_always_diverged() -> None:
    trials = [Trial(0, "adam", 0.5), Trial(1, "sgd", 0.6)]
    answer = judge("minimize", trials, {0: (None, None), 1: (1.0, 2.0)})
    assert [row.optimizer for row in answer.finalists] == ["sgd", "adam"]
    assert answer.finalists[1].mean == 2.0
    assert answer.finalists[1].next_run == (2.0, 2.0)


def test_all_diverged_in_confirmation() -> None:
    answer = judge(
        "maximize", [Trial(0, "adam", 0.5), Trial(1, "sgd", 0.6)], {0: [None] * 3, 1: [None] * 3}
    )
    assert answer.winner is None
    assert json.loads(answer.model_dump_json())["finalists"][0]["diverged"] == 3


def test_intervals_stay_within_the_range_of_the_metric() -> None:
    scored = {0: (0.9, 1.0, 1.0, 0.95)}
    (row,) = judge("maximize", [Trial(0, "adam", 1.0)], scored, bounds=(0.0, 1.0)).finalists
    assert row.interval[1] == row.next_run[1] == 1.0
    (free,) = judge("maximize", [Trial(0, "adam", 1.0)], scored).finalists
    assert free.next_run[1] > 1.0
    assert free.next_run[0] == row.next_run[0]


# The luck of tuning


def test_picks_are_the_bootstrap_of_the_best() -> None:
    trials, m = 8, 6
    draws = np.random.default_rng(0).integers(trials, size=(100_000, m)).min(axis=1)
    drawn = np.bincount(draws, minlength=trials) / len(draws)
    expected = picks(trials, m)
    assert expected == pytest.approx(drawn[: len(expected)], abs=0.01)
    assert expected.sum() == pytest.approx(1)
    assert picks(1, 1) == pytest.approx([1.0])


def test_a_difference_is_that_of_a_sampled_bootstrap() -> None:
    trials = study({"adam": 0.0, "sgd": 0.15}, trials=8)
    arms = gather("minimize", trials, run(trials, noise=0.3), None).arms
    found = Difference.between(arms[0], arms[1])
    generator = np.random.default_rng(0)
    ours, theirs = generator.integers(8, size=(2, 50_000, 5)).min(axis=2)
    paired = arms[0].test[ours] - arms[1].test[theirs]
    noise = stats.t.rvs(SEEDS - 1, size=50_000, random_state=generator)
    sampled = paired.mean(1) + noise * paired.std(1, ddof=1) / SEEDS**0.5
    for probability in (0.025, 0.5, 0.975):
        assert found.quantile(probability) == pytest.approx(
            np.quantile(sampled, probability), abs=0.02
        )
    assert found.at_most(found.quantile(0.3)) == pytest.approx(0.3)


def test_an_unconfirmed_trial_scores_as_the_next_better_plus_what_validation_lacks() -> None:
    trials = [Trial(i, "adam", value) for i, value in enumerate([0.1, 0.4, 0.2, 9.0, None])]
    (arm,) = gather("minimize", trials, {0: (1.0, 2.0), 2: (1.5, 2.5)}, chance=5.0).arms
    assert arm.test == pytest.approx(np.array([[1, 2], [1.5, 2.5], [1.7, 2.7], [5, 5], [5, 5]]))


def test_a_dropped_trial_is_no_finalist_and_comes_behind_the_completed() -> None:
    trials = [
        Trial(0, "adam", 0.5),
        Trial(1, "adam", 0.2, dropped=True),
        Trial(2, "adam", 0.9, dropped=True),
        Trial(3, "adam", None),
        Trial(4, "sgd", 0.1, dropped=True),
    ]
    assert finalists("minimize", trials) == [0]
    (arm,) = gather("minimize", trials, {0: (1.0, 2.0)}, chance=9.0).arms
    assert arm.numbers == (0, 1, 2, 3)
    assert arm.validation.tolist() == [0.5, 0.5, 0.9, math.inf]
    assert arm.test == pytest.approx(np.array([[1, 2], [1, 2], [1.4, 2.4], [9, 9]]))
    answer = judge("minimize", trials, {0: (1.0, 2.0)})
    assert answer.sentence == "adam was compared with no other. No trial of sgd completed."
    with pytest.raises(EvidenceError, match="completed"):
        judge("minimize", trials, {0: (1.0, 2.0), 1: (1.0, 2.0)})


def test_configurations_are_compared_as_they_were_found() -> None:
    """A paired t-test of the two best, whatever else was tried and however often."""
    trials = study({"adam": 0.0, "sgd": 0.04}, trials=4)
    scored = run(trials)
    answer = judge(
        "minimize", trials[:5], {n: scored[n] for n in (0, 1, 4)}, about="configurations"
    )
    (pair,) = answer.pairs
    differences = np.array(scored[0], float) - np.array(scored[4], float)
    witness = stats.ttest_1samp(differences, 0.0)
    assert pair.difference == pytest.approx(differences.mean())
    assert pair.p_value == pytest.approx(witness.pvalue)
    assert pair.interval == pytest.approx(tuple(witness.confidence_interval(0.95)))
    assert [row.number for row in answer.finalists] == [0, 4, 1]
    assert answer.about == "configurations"


@pytest.mark.parametrize(
    ("gap", "sentence"),
    [
        (1.0, "adam's best beats sgd's best on rows that no trial has seen."),
        (0.0, "adam's best and sgd's best tie on rows that no trial has seen."),
    ],
)
def test_sentences_say_that_configurations_were_compared(gap: float, sentence: str) -> None:
    trials = [Trial(0, "adam", 0.5), Trial(1, "sgd", 0.6)]
    noise = np.linspace(-0.1, 0.1, 20)
    scored = {0: tuple(noise), 1: tuple(gap + noise + 1e-3 * noise[::-1] ** 2)}
    answer = judge("minimize", trials, scored, about="configurations")
    assert answer.sentence == sentence
    (pair,) = answer.pairs
    assert pair.sentence.startswith("adam's best")


def test_of_configurations_seeds_alone_can_tell() -> None:
    trials = [Trial(0, "adam", 0.5), Trial(1, "sgd", 0.6)]
    noise = np.random.default_rng(0).normal(0, 1, 10)
    for gap, wanted in ((0.5, "about"), (1e-4, "more than 1000 more seeds")):
        scored = {0: (0.0,) * 10, 1: tuple(gap + noise - noise.mean())}
        (pair,) = judge("minimize", trials, scored, margin=0.0, about="configurations").pairs
        assert (pair.outcome, pair.more_trials) == ("open", {})
        assert wanted in pair.sentence


def test_configurations_differ_for_certain_yet_no_optimizer_wins() -> None:
    # Two names for one rule: each trial's score is its own, hardly any noise from seed to seed.
    values = np.random.default_rng(5).exponential(size=40)
    trials = [Trial(i, ("adam", "adam_b")[i % 2], float(v)) for i, v in enumerate(values)]
    (pair,) = judge("minimize", trials, run(trials, noise=1e-6)).pairs
    assert pair.outcome == "open"
    assert pair.more_seeds is None
    assert pair.more_trials == {"adam": 20, "adam_b": 20}
    assert "more seeds would not tell" in pair.sentence


def test_a_starved_optimizer_needs_trials_of_its_own() -> None:
    trials = [Trial(i, "adam", 0.1 + 0.001 * i) for i in range(30)]
    trials += [Trial(30 + i, "sgd", 0.5 + 0.1 * i) for i in range(4)]
    (pair,) = judge("minimize", trials, run(trials, noise=1e-3)).pairs
    assert pair.outcome == "open"
    assert pair.more_trials == {"sgd": 26}


def test_precedence_by_hand() -> None:
    def arm(validation: Sequence[float]) -> Arm:
        order = np.argsort(validation)
        return Arm(
            "",
            tuple(order.tolist()),
            np.sort(validation),
            np.zeros((0, 2)),
            (),
            np.zeros((0, 2), bool),
        )

    # Of the first six trials of each, three of the first kind are ahead: 2 * C(9,3)/C(12,6)
    ours, theirs = arm([1, 2, 3, 7, 8, 9, 0, 0, 0]), arm([4, 5, 6, 10, 11, 12, -1, -1, -1])
    assert precedence(ours, theirs) == pytest.approx(2 * math.comb(9, 3) / math.comb(12, 6))


def test_holm_by_hand() -> None:
    adjusted, levels = holm([0.04, 0.01, 0.03], 0.05)
    assert adjusted == pytest.approx([0.06, 0.03, 0.06])
    assert levels == pytest.approx([0.025, 0.05 / 3, 0.025])
    assert holm([], 0.05) == ([], [])


# Pairs and the answer


def test_a_winner_is_named() -> None:
    answer = verdict({"adam": 0.0, "sgd": 3.0, "adagrad": 4.0}, spread=0.01)
    assert answer.winner == "adam"
    assert answer.leading == ["adam"]
    assert answer.sentence == "adam beats adagrad and sgd on rows that no trial has seen."
    assert {pair.outcome for pair in answer.pairs} == {"beats"}


def test_who_cannot_be_told_from_the_leader_is_said() -> None:
    answer = verdict({"adam": 0.0, "adamw": 0.01, "sgd": 3.0}, spread=0.04)
    assert answer.winner is None
    assert answer.leading == ["adam", "adamw"]
    assert (
        answer.sentence
        == "adam beats sgd on rows that no trial has seen; adamw cannot be told from it."
    )


def test_no_winner_at_all() -> None:
    assert verdict({"adam": 0.0, "adamw": 0.01}).sentence == (
        "adam and adamw cannot be told apart on rows that no trial has seen."
    )


def test_a_tie_lies_within_the_margin() -> None:
    trials = study({"adam": 0.0, "adamw": 0.01}, spread=0.001)
    scored = run(trials, noise=0.02)
    (pair,) = judge("minimize", trials, scored, margin=0.1).pairs
    assert pair.outcome == "tie"
    assert -0.1 < pair.interval[0] < pair.interval[1] < 0.1
    (pair,) = judge("minimize", trials, scored, margin=0.0).pairs
    assert pair.outcome != "tie"


def test_seeds_that_are_missing_are_estimated() -> None:
    trials = study({"adam": 0.0, "sgd": 0.5}, spread=0.001)
    (pair,) = judge("minimize", trials, run(trials, noise=0.8), margin=0.01).pairs
    assert pair.outcome == "open"
    assert pair.more_seeds
    assert pair.more_trials == {}
    more = run(trials, noise=0.8, seeds=SEEDS + 3 * pair.more_seeds)
    assert judge("minimize", trials, more, margin=0.01).winner == "adam"


def test_equal_scores_tie_nowhere_and_break_nothing() -> None:
    trials = study({"adam": 0.5, "sgd": 0.5}, spread=0.0)
    answer = judge("minimize", trials, run(trials, noise=0.0))
    (pair,) = answer.pairs
    assert pair.difference == 0
    assert pair.p_value == 1
    assert pair.outcome == "tie"
    assert answer.sentence == "adam and sgd tie on rows that no trial has seen."


def test_one_optimizer_alone() -> None:
    answer = verdict({"adam": 0.1})
    assert answer.winner is None
    assert answer.leading == ["adam"]
    assert answer.sentence == "adam was compared with no other."


def test_an_optimizer_without_a_completed_trial_is_named() -> None:
    trials = [*study({"adam": 0.1}), Trial(99, "lion", None)]
    assert judge("minimize", trials, run(trials)).sentence.endswith("No trial of lion completed.")
    nothing = judge("minimize", [Trial(0, "lion", None)], {})
    assert not nothing.leading
    assert not nothing.finalists
    assert not nothing.curves
    assert nothing.sentence == "No trial of lion completed."
    assert judge("minimize", [], {}).sentence == "There are no trials."


def test_two_seeds_are_enough_to_say_little() -> None:
    trials = study({"adam": 0.0, "sgd": 1.0})
    (pair,) = judge("minimize", trials, run(trials, noise=0.3, seeds=2)).pairs
    assert pair.outcome == "open"


# Curves


def test_the_expected_best_is_the_mean_over_all_choices() -> None:
    trials = [Trial(i, "adam", value) for i, value in enumerate([0.5, 0.1, None, 0.3])]
    (curve,) = judge("minimize", trials, {1: (0.1, 0.2)}).curves
    # diverged counts as 0.5; of 6 pairs: 3 hold 0.1, 2 of the others 0.3, 1 is 0.5
    assert curve.trials == [1, 2, 3, 4]
    assert curve.expected == pytest.approx([0.35, 1.4 / 6, 0.15, 0.1])
    assert all(np.array(curve.low) <= np.array(curve.high))


def test_long_curves_are_thinned() -> None:
    assert best_of(3, np.array([1, 3])) == pytest.approx(np.array([[1 / 3] * 3, [1, 0, 0]]))
    (curve,) = verdict({"adam": 0.0}, trials=300).curves
    assert len(curve.trials) <= 50
    assert (curve.trials[0], curve.trials[-1]) == (1, 300)
    assert curve.expected == sorted(curve.expected, reverse=True)


# Properties

values = st.floats(-5, 5).map(lambda x: round(x, 3))


@st.composite
def evidence(draw: st.DrawFn) -> tuple[list[Trial], Scores]:
    trials = [
        Trial(number, name, draw(values | st.none()) if k else draw(values))
        for name in draw(st.sampled_from([["a"], ["a", "b"], ["a", "b", "c"]]))
        for k, number in enumerate(
            range(100 * ord(name), 100 * ord(name) + draw(st.integers(1, 8)))
        )
    ]
    seeds = draw(st.integers(2, 5))
    scores = st.lists(values | st.none(), min_size=seeds, max_size=seeds)
    return trials, {number: draw(scores) for number in finalists("minimize", trials, 2)}


def mapped(
    trials: Sequence[Trial], scored: Scores, scale: float, shift: float
) -> tuple[list[Trial], Scores]:
    def moved(x: float | None) -> float | None:
        return None if x is None else scale * x + shift

    return (
        [Trial(t.number, t.optimizer, moved(t.value)) for t in trials],
        {number: [moved(score) for score in scores] for number, scores in scored.items()},
    )


def pair_of(answer: Verdict, pair: Pair) -> Pair:
    return next(p for p in answer.pairs if (p.first, p.second) == (pair.first, pair.second))


@settings(max_examples=25, deadline=None)
@given(evidence())
def test_same_evidence_in_any_order_same_finite_answer(given: tuple[list[Trial], Scores]) -> None:
    trials, scored = given
    answer = judge("minimize", trials, scored)
    assert judge("minimize", trials[::-1], dict(list(scored.items())[::-1])) == answer
    text = answer.model_dump_json()
    assert Verdict.model_validate_json(text) == answer
    assert not any(word in text for word in ("NaN", "Infinity"))
    for pair in answer.pairs:
        assert pair.interval[0] <= pair.difference <= pair.interval[1]
        assert (pair.winner is not None) == (pair.outcome == "beats")
        if pair.winner:
            assert pair.interval[0] >= 0 or pair.interval[1] <= 0


@settings(max_examples=25, deadline=None)
@given(evidence(), st.sampled_from([(1.0, 8.0), (4.0, 0.0), (-1.0, 0.0), (-0.5, 3.0)]))
def test_units_and_direction_do_not_matter(
    given: tuple[list[Trial], Scores], change: tuple[float, float]
) -> None:
    trials, scored = given
    scale, shift = change
    answer = judge("minimize", trials, scored, margin=0.5)
    direction = "minimize" if scale > 0 else "maximize"
    # Ties by the last digit may fall either way once numbers are rounded anew.
    other = judge(direction, *mapped(trials, scored, scale, shift), margin=0.5 * abs(scale))  # type: ignore[arg-type]
    assert len(other.pairs) == len(answer.pairs)
    for pair in answer.pairs:
        found = pair_of(other, pair)
        assert found.difference == pytest.approx(scale * pair.difference, abs=1e-6)
        assert found.interval == pytest.approx(
            sorted(scale * end for end in pair.interval), abs=1e-6
        )
        assert found.p_value == pytest.approx(pair.p_value, abs=1e-6)
    for row in answer.finalists:
        moved = next(r for r in other.finalists if r.number == row.number)
        assert moved.mean == pytest.approx(scale * row.mean + shift)
        assert moved.next_run == pytest.approx(sorted(scale * x + shift for x in row.next_run))


# Errors


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("direction", {"direction": "up"}),
        ("trials", {"trials": [Trial(0, "a", 1.0), Trial(0, "b", 2.0)]}),
        ("trials.0.value", {"trials": [Trial(0, "a", math.nan)]}),
        ("confirmed", {"confirmed": {0: (1.0,), 1: (1.0,)}}),
        ("confirmed", {"confirmed": {0: (1.0, 2.0), 1: (1.0, 2.0, 3.0)}}),
        ("confirmed", {"confirmed": {0: (1.0, 2.0), 7: (1.0, 2.0)}}),
        ("confirmed", {"confirmed": {0: (1.0, 2.0)}}),
        ("confirmed.0", {"confirmed": {0: (1.0, math.inf), 1: (1.0, 2.0)}}),
        ("chance", {"chance": math.nan}),
        ("margin", {"margin": -1.0}),
        ("confidence", {"confidence": 1.0}),
    ],
)
def test_wrong_evidence_is_refused(field: str, change: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "direction": "minimize",
        "trials": [Trial(0, "a", 1.0), Trial(1, "b", 2.0)],
        "confirmed": {0: (1.0, 2.0), 1: (2.0, 3.0)},
    } | change
    with pytest.raises(EvidenceError) as caught:
        judge(**given)
    assert caught.value.field == field
    assert caught.value.allowed is not None


def test_finalists_of_nobody_are_refused() -> None:
    with pytest.raises(EvidenceError, match="per_optimizer must be at least 1"):
        finalists("minimize", [], 0)
