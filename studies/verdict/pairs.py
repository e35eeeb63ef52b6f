"""Every two optimizers compared: a winner, a tie, or what is missing."""

from itertools import combinations

from studies.verdict.difference import Difference, holm, precedence, uneven
from studies.verdict.evidence import Arm, Evidence
from studies.verdict.models import Pair

MORE_SEEDS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000)  # "about": no finer than these


def compare(evidence: Evidence, margin: float | None, alpha: float) -> list[Pair]:
    """All pairs, smallest p-value first; together they err with probability ``alpha``."""
    couples = list(combinations(evidence.arms, 2))
    differences = [Difference.between(*couple, evidence.about) for couple in couples]
    tuned = evidence.about == "optimizers"
    p_values = [
        max(difference.p_value(), precedence(*couple) if tuned and uneven(*couple) else 0.0)
        for couple, difference in zip(couples, differences, strict=True)
    ]
    adjusted, levels = holm(p_values, alpha)
    pairs = [
        _pair(*couple, difference, p_value, level, margin, alpha, evidence)
        for couple, difference, p_value, level in zip(
            couples, differences, adjusted, levels, strict=True
        )
    ]
    return sorted(pairs, key=lambda pair: (pair.p_value, pair.first, pair.second))


def _pair(
    first: Arm,
    second: Arm,
    difference: Difference,
    p_value: float,
    level: float,
    margin: float | None,
    alpha: float,
    evidence: Evidence,
) -> Pair:
    if margin is None:
        margin = min(_seed_deviation(first), _seed_deviation(second))
    sign, names = evidence.sign, (first.optimizer, second.optimizer)
    called = [evidence.called(name) for name in names]
    tuned = evidence.about == "optimizers"
    low, high = difference.quantile(level / 2), difference.quantile(1 - level / 2)
    winner, more_seeds, more_trials = None, None, {}
    if -margin <= low and high <= margin:
        outcome = "tie"
        sentence = f"{called[0]} and {called[1]} tie: they differ by less than {margin:.3g}"
    elif p_value <= alpha:
        outcome = "beats"
        winner, loser = names if difference.quantile(0.5) < 0 else names[::-1]
        sentence = f"{evidence.called(winner)} beats {evidence.called(loser)}"
    else:
        outcome = "open"
        if not (tuned and uneven(first, second)):
            more_seeds = _more_seeds(difference, level, margin)
        more_trials = _more_trials(first, second) if tuned and not more_seeds else {}
        sentence = f"not enough evidence on {called[0]} and {called[1]}: " + _wanted(
            more_seeds, more_trials
        )
    return Pair(
        first=names[0],
        second=names[1],
        difference=sign * difference.quantile(0.5),
        interval=(low, high) if sign == 1 else (-high, -low),
        p_value=p_value,
        margin=margin,
        outcome=outcome,
        winner=winner,
        more_seeds=more_seeds,
        more_trials=more_trials,
        sentence=sentence,
    )


def _seed_deviation(arm: Arm) -> float:
    """Of the trial that tuning picked, from seed to seed."""
    return float(arm.test[0].std(ddof=1))


def _more_seeds(difference: Difference, level: float, margin: float) -> int | None:
    """How many would decide, were the scores to spread as they do; None if none would."""
    if not difference.without_seed_noise().decided(level, margin):
        return None
    for more in MORE_SEEDS:
        if difference.with_seeds(difference.seeds + more).decided(level, margin):
            return more
    return None


def _more_trials(first: Arm, second: Arm) -> dict[str, int]:
    """As many as the other has where one has far fewer; else twice as many of both.

    Twice is a custom, no estimate: how much the next trials will find is unknown.
    """
    counts = {arm.optimizer: len(arm.numbers) for arm in (first, second)}
    if not uneven(first, second):
        return counts
    fewer = min(counts, key=counts.__getitem__)
    return {fewer: max(counts.values()) - counts[fewer]}


def _wanted(more_seeds: int | None, more_trials: dict[str, int]) -> str:
    if more_seeds:
        return f"about {more_seeds} more seeds would tell"
    if not more_trials:
        return f"more than {MORE_SEEDS[-1]} more seeds would be needed"
    trials = " and ".join(f"{count} of {name}" for name, count in more_trials.items())
    return f"more seeds would not tell, more trials might, about {trials}"
