"""The difference between two optimizers, with the luck of tuning in it.

Tuned once more with m trials, an optimizer would end at another configuration. The bootstrap
answers which: draw m of its trials with replacement, take the best by validation. That is the one
of rank k with probability (1 - (k-1)/N)^m - (1 - k/N)^m, so nothing needs to be drawn. Each pair of
picks differs by the mean of its paired differences over the seeds, give or take Student's t. The
mixture of all these is the distribution of the difference.

An optimizer is not credited for having had more trials: m is the same for both, `drawn`. It is
fewer than either has (an m-out-of-n bootstrap: Bickel, Götze & van Zwet 1997, Resampling Fewer Than
n Observations): the bootstrap never draws better trials than there were, and those of a sampler
that learns resemble each other, so with all of them the luck of tuning would be understated.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from studies.verdict.evidence import Arm, Floats
from studies.verdict.models import About

DRAWN = 2 / 3  # of the fewer trials; with all, 8 % false winners under TPE (3 finalists each)
NEGLIGIBLE = 1e-6  # probability below which a pick is left out
UNEVEN = 0.6  # fewer trials than this share of the other's: the sampler may have given up on it


@dataclass(frozen=True)
class Difference:
    """The loss of one optimizer minus that of another: a mixture of Student's t.

    Attributes:
        means: of the paired differences, one a pair of picks.
        errors: their standard errors.
        weights: probabilities of the pairs of picks.
        seeds: that they rest on.
    """

    means: Floats
    errors: Floats
    weights: Floats
    seeds: int

    @classmethod
    def between(cls, first: Arm, second: Arm, about: About = "optimizers") -> "Difference":
        """Of these two; of configurations, tuning has picked the best, and no other."""
        m = drawn(first, second)
        ours = theirs = np.ones(1)
        if about == "optimizers":
            ours, theirs = picks(len(first.numbers), m), picks(len(second.numbers), m)
        paired = first.test[: len(ours), None] - second.test[None, : len(theirs)]
        seeds = paired.shape[-1]
        return cls(
            means=paired.mean(-1).ravel(),
            errors=paired.std(-1, ddof=1).ravel() / np.sqrt(seeds),
            weights=np.outer(ours, theirs).ravel(),
            seeds=seeds,
        )

    def at_most(self, x: float) -> float:
        """The probability of a difference of ``x`` or less."""
        below = self.means <= x
        random = self.errors > 0
        standard = np.divide(
            x - self.means, self.errors, where=random, out=np.zeros_like(below, float)
        )
        each = np.where(random, stats.t.cdf(standard, self.seeds - 1), below)
        return float(self.weights @ each)

    def at_least(self, x: float) -> float:
        """The probability of a difference of ``x`` or more."""
        return Difference(-self.means, self.errors, self.weights, self.seeds).at_most(-x)

    def quantile(self, probability: float) -> float:
        """The difference that is undercut with this probability."""
        each = self.means + self.errors * stats.t.ppf(probability, self.seeds - 1)
        low, high = float(each.min()), float(each.max())
        if self.at_most(low) >= probability:
            return low
        if self.at_most(high) <= probability:
            return high
        found = optimize.brentq(
            lambda x: self.at_most(x) - probability, low, high, xtol=1e-12 * (high - low)
        )
        return float(found)

    def p_value(self) -> float:
        """Two-sided, that there is no difference."""
        return min(1.0, 2 * min(self.at_most(0), self.at_least(0)))

    def decided(self, alpha: float, margin: float) -> bool:
        """Whether there is a winner or a tie at this level."""
        outside = max(self.at_most(-margin), self.at_least(margin))
        return self.p_value() <= alpha or outside < alpha / 2

    def with_seeds(self, seeds: int) -> "Difference":
        """As it would look with so many seeds, were they to spread as these do."""
        errors = self.errors * np.sqrt(self.seeds / seeds)
        return Difference(self.means, errors, self.weights, seeds)

    def without_seed_noise(self) -> "Difference":
        """As it would look with any number of seeds: the luck of tuning alone."""
        return Difference(self.means, np.zeros_like(self.errors), self.weights, self.seeds)


def drawn(first: Arm, second: Arm) -> int:
    """How many trials of each the comparison is for."""
    return max(1, int(DRAWN * min(len(first.numbers), len(second.numbers))))


def picks(trials: int, m: int) -> Floats:
    """How likely each rank is the best of ``m`` trials, drawn with replacement: (ranks,)."""
    later = (1 - np.arange(trials + 1) / trials) ** m
    likely = later[:-1] - later[1:]
    kept = likely[: max(1, int((likely > NEGLIGIBLE).sum()))]
    return np.asarray(kept / kept.sum())


def uneven(first: Arm, second: Arm) -> bool:
    """Whether one had far fewer trials."""
    fewer, more = sorted((len(first.numbers), len(second.numbers)))
    return fewer < UNEVEN * more


def precedence(first: Arm, second: Arm) -> float:
    """P-value that the first trials of both are of one kind, by validation alone.

    A sampler that shifts its trials to whoever leads makes the lead look certain: the other one's
    luck stays as bad as it was. Their first trials, equally many, were had on more equal terms. The
    precedence test (Nelson 1963) counts how many trials of one are better than all of the other;
    exact if the trials are independent.
    """
    m = drawn(first, second)
    ours, theirs = _first(first, m), _first(second, m)
    ahead = int(max((ours < theirs.min()).sum(), (theirs < ours.min()).sum()))
    return float(min(1.0, 2 * stats.hypergeom.pmf(ahead, 2 * m, m, ahead)))


def _first(arm: Arm, trials: int) -> Floats:
    """Validation losses of its first trials."""
    return np.asarray(arm.validation[np.argsort(arm.numbers)[:trials]])


def holm(p_values: list[float], alpha: float) -> tuple[list[float], list[float]]:
    """Adjusted p-values, and the level of each interval that agrees with them.

    Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure. Intervals of pairs after the
    first that is not rejected have its level, so that they contain 0 as its does.
    """
    adjusted, levels = [1.0] * len(p_values), [alpha] * len(p_values)
    largest, divisor = 0.0, len(p_values)
    for step, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if largest <= alpha:
            divisor = len(p_values) - step
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[place]))
        adjusted[place], levels[place] = largest, alpha / divisor
    return adjusted, levels
