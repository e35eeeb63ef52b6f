"""The best score to expect of so many trials."""

import numpy as np
from scipy import stats

from studies.verdict.evidence import Arm, Evidence, Floats
from studies.verdict.models import BudgetCurve

BUDGETS = 50  # points of a curve, at most
RESAMPLES = 1000


def curves(evidence: Evidence, confidence: float) -> list[BudgetCurve]:
    """One an optimizer, by name.

    The mean over all choices of k of its N trials, in closed form, without replacement (Tang et al.
    2020, arXiv:2004.13705, after Dodge et al. 2019, arXiv:1909.03004). A diverged trial counts as
    the worst validation score of the study, a dropped one as what it had reached.
    """
    losses = [arm.validation[np.isfinite(arm.validation)] for arm in evidence.arms]
    worst = max((float(values.max()) for values in losses), default=0.0)
    return [_curve(arm, worst, evidence.sign, confidence) for arm in evidence.arms]


def _curve(arm: Arm, worst: float, sign: int, confidence: float) -> BudgetCurve:
    values = np.minimum(arm.validation, worst)  # (trials,), ascending
    trials = len(values)
    budgets = np.unique(np.geomspace(1, trials, BUDGETS).round().astype(int))
    best = best_of(trials, budgets)  # (budgets, trials)
    # The same draws whenever: a verdict is a function of its evidence.
    draws = np.random.default_rng(0).integers(trials, size=(RESAMPLES, trials))
    resampled = values[np.sort(draws, axis=1)] @ best.T  # (resamples, budgets)
    tail = (1 - confidence) / 2
    ends = sign * np.quantile(resampled, [tail, 1 - tail], axis=0)
    return BudgetCurve(
        optimizer=arm.optimizer,
        trials=budgets.tolist(),
        expected=(sign * (best @ values)).tolist(),
        low=ends.min(axis=0).tolist(),
        high=ends.max(axis=0).tolist(),
    )


def best_of(trials: int, budgets: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Floats:
    """How likely each rank is the best of a random choice of the trials: (budgets, trials)."""
    ranks = np.arange(trials)
    # ranks passed over until the first chosen one: the negative hypergeometric distribution
    return np.stack([stats.nhypergeom.pmf(ranks, trials, trials - k, 1) for k in budgets])
