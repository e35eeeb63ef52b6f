"""How trials stand among each other: the one order that every sampler here learns from.

Completed trials come first, by value; then those dropped at a rung, the later the better and by
their value there; then those that diverged. Only the order counts: a loss of 10 or of 10,000 says
the same, that the configuration is useless.
"""

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtri
from scipy.stats import rankdata

from studies.spec import MAXIMIZED, Metric

Standing = tuple[float, float, float]
"""Compared from the left, lower being better."""


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


def standing(trial: FrozenTrial, metric: Metric) -> Standing:
    """How a trial stands that was completed, dropped or diverged."""
    sign = -1.0 if metric in MAXIMIZED else 1.0
    if trial.state == TrialState.COMPLETE:
        return 0, 0, sign * trial.values[0]
    rung = trial.user_attrs.get("dropped_at")
    if rung is not None:
        # Not from the curve: a study is rebuilt without its trials' curves.
        return 1, -rung, sign * trial.user_attrs["metrics"][metric]
    return 2, 0, 0.0
