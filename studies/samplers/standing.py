"""How trials stand among each other: the one order that every sampler here learns from.

Completed trials come first, by value; then those dropped at a rung, the later the better and by
their value there; then those that diverged. Only the order counts: a loss of 10 or of 10,000 says
the same, that the configuration is useless.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import norm, rankdata

from studies.spec import MAXIMIZED, Metric


def normal_scores(trials: Sequence[FrozenTrial], metric: Metric) -> NDArray[np.float64]:
    """What each trial would have in a standard normal sample of this size, lower being better.

    Ties share their mean rank (van der Waerden 1952, with Hazen's plotting positions).

    Args:
        trials: completed, dropped or diverged.
        metric: the study's.
    """
    keys = [_key(trial, metric) for trial in trials]
    distinct = {key: place for place, key in enumerate(sorted(set(keys)))}
    ranks = rankdata([distinct[key] for key in keys])
    return np.asarray(norm.ppf((ranks - 0.5) / len(ranks)))


def _key(trial: FrozenTrial, metric: Metric) -> tuple[int, int, float]:
    sign = -1.0 if metric in MAXIMIZED else 1.0
    if trial.state == TrialState.COMPLETE:
        return 0, 0, sign * trial.values[0]
    rung = trial.user_attrs.get("dropped_at")
    if rung is not None:
        # Not from the curve: a study is rebuilt without its trials' curves.
        return 1, -rung, sign * trial.user_attrs["metrics"][metric]
    return 2, 0, 0.0
