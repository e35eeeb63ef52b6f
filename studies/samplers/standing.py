"""How trials stand among each other: the one order that every sampler here learns from.

Completed trials come first, by loss; then those dropped at a rung, the later the better and by
their loss there; then those that diverged. A loss of 10 or of 10,000 says the same, that the
configuration is useless.
"""

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtri
from scipy.stats import rankdata

from studies.spec import Goal

Standing = tuple[float, float, float]
"""Whether and how it ended, where, and its loss; compared from the left, lower being better."""

FIRST = 24  # completed trials: what losses are related to, before a sampler crowds its favourites
BEST = 0.15  # of the trials are the best ones
FEWEST_BEST = 6  # fewer say nothing of where they are
NEGLIGIBLE = 1e-3  # of their median: losses this small are alike


def normal_scores(standings: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each trial would have in a standard normal sample of this size, lower being better.

    Ties share their mean rank (van der Waerden 1952, with Hazen's plotting positions).

    Args:
        standings: a `Standing` each, (n, 3).

    Returns:
        (n,).
    """
    order = np.lexsort(standings.T[::-1])  # its last key counts first
    steps = (standings[order][1:] != standings[order][:-1]).any(axis=1)
    places = np.empty(len(order))
    places[order] = np.concatenate([[0], np.cumsum(steps)])
    return np.asarray(ndtri((rankdata(places) - 0.5) / len(places)))


def among_best(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whether each trial is among the best `BEST` of them, with mean 0 and variance 1, lower being better.

    Args:
        scores: a normal score each, (n,).

    Returns:
        (n,); the scores themselves if trials are too few, or all alike.
    """
    count = int(BEST * len(scores))
    if count < FEWEST_BEST:
        return scores
    good = scores <= np.sort(scores)[count - 1]
    return scores if good.all() else np.asarray((good.mean() - good) / good.std())


def relative_losses(standings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of losses, such that the first trials have about the quartiles of a standard normal.

    What is nearly equal stays so, however many trials there are of it. All that is useless, not
    completed or a deviation above the median, is as bad.

    Args:
        standings: a `Standing` each, in order of trial, (n, 3).

    Returns:
        (n,); normal scores if the first trials do not differ.
    """
    completed = standings[:, 0] == 0
    losses = np.maximum(standings[completed, 2], 0.0)  # what is said to be the best may be beaten
    if not len(losses):
        return normal_scores(standings)
    logarithms = np.log(losses + NEGLIGIBLE * np.median(losses[:FIRST]) + np.finfo(float).tiny)
    quartile, median = np.quantile(logarithms[:FIRST], [0.25, 0.5])
    if quartile == median:
        return normal_scores(standings)
    found = np.ones(len(standings))
    found[completed] = np.minimum((logarithms - median) / (median - quartile) * -ndtri(0.25), 1.0)
    return found


def standing(trial: FrozenTrial, goal: Goal) -> Standing:
    """How a trial stands that was completed, dropped or diverged."""
    if trial.state == TrialState.COMPLETE:
        return 0, 0, _loss(trial.values[0], goal)
    rung = trial.user_attrs.get("dropped_at")
    if rung is not None:
        # Not from the curve: a study is rebuilt without its trials' curves.
        return 1, -rung, _loss(trial.user_attrs["metrics"][goal.name], goal)
    return 2, 0, 0.0


def _loss(value: float, goal: Goal) -> float:
    """How far a value is from the best there can be; from 0 if nobody knows that."""
    return goal.sign * (value - (goal.best or 0.0))
