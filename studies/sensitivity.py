"""What a study's trials say about the learning rate, for each optimizer.

Scattered trials differ in more than their rate, and a bad choice elsewhere only ever makes a
score worse. So the curve of the score by log10(rate) is the trials' lower convex envelope
(Andrew 1979, Another Efficient Algorithm for Convex Hulls in Two Dimensions): where a rate was
tried only with bad choices beside it, its neighbours speak for it. A diverged trial has the
untrained score (Wortsman et al. 2023, arXiv:2309.14322). Only the bottom of the curve is convex:
scores above `CEILING` count as being there, and of the useless rates on either side the innermost
alone, so that a wide plateau does not draw the envelope flat. A dropped trial has its score at the
rung that dropped it, which is at worst too bad, and points above the envelope do not move it.

Few trials make a band look narrow, as their best are far apart. On synthetic landscapes the median
width within 5 percent was 65 to 92 % of the true one with 15 trials, 72 to 97 % with 30 and 90 to
98 % with 100; within 1 percent 45 to 70 % with 30 and 56 to 81 % with 100. What is narrower than the
distance between trials is not found.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict
from scipy.stats import chi2
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from optimizers.hyperparameters import Hyperparameter
from optimizers.registry import RULES
from optimizers.schedules import SCHEDULES
from studies.space import Space
from studies.spec import StudySpec

FEWEST_TRIALS = {0.01: 30, 0.05: 10}
"""By tolerance: with fewer trials than this, completed, dropped or diverged, no band is told."""

FEWEST_COMPLETED = 3
"""With fewer completed trials no band is told either."""

CEILING = 0.25
"""Scores count up to this share of the way from the best to the untrained one. Of 1, 1/2 and 1/4
this came nearest to the true width with 15 trials on each of six synthetic landscapes."""

BORDER = 0.1
"""A best trial within this share of a range's end, on its scale, asks for a wider range."""

MOST_POINTS = 200
"""Of each optimizer, for a plot."""

_CONFIDENCE = 0.95  # that divergence depends on the rate, before an edge is told
_REGULARISATION = 100.0  # inverse; keeps the fit finite where rates separate perfectly

Vector = NDArray[np.float64]


class _Finite(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


class Point(_Finite):
    """One ended trial on a plot.

    Attributes:
        number: of the trial.
        score: the study's metric at the end, of a dropped trial at its rung; else None.
    """

    number: int
    learning_rate: float
    score: float | None
    outcome: Literal["completed", "dropped", "diverged", "stopped"]


class Band(_Finite):
    """The learning rates whose scores come close to the best.

    Attributes:
        low, high: its ends.
        decades: its width, log10(high / low).
        open_below, open_above: it reaches the last trial on this side, and may go on.
    """

    low: float
    high: float
    decades: float
    open_below: bool
    open_above: bool


class Zones(_Finite):
    """Where rates are too small, good and too large; None for a border that no trial shows."""

    too_small_below: float | None
    too_large_above: float | None


class Sensitivity(_Finite):
    """What the trials of one optimizer say about its learning rate.

    Attributes:
        learning_rate: of the best completed trial; None without one, or if it is not searched.
        within_1_percent, within_5_percent: the rates that come so close to the best score, in
            percent of its distance from the untrained score (a share of the score itself would
            mean little for a loss near 0, an accuracy or an r2); None with too few trials, or
            if none was better than untrained.
        diverges_above: the rate at which half the trials diverge; None if none diverged, or
            if the rate does not decide it.
        zones: good is the band within 5 percent; without one, half diverging is too large.
        borders: a sentence for every hyperparameter of the best trial that lies at an end of
            its range, if more is allowed beyond it.
        points: by learning rate, thinned to about `MOST_POINTS`.
    """

    learning_rate: float | None
    within_1_percent: Band | None
    within_5_percent: Band | None
    diverges_above: float | None
    zones: Zones
    borders: list[str]
    points: list[Point]


def sensitivities(spec: StudySpec, trials: Iterable[FrozenTrial]) -> dict[str, Sensitivity]:
    """The sensitivity of every optimizer of a resolved spec.

    Args:
        spec: resolved.
        trials: of the study, without their intermediate values if need be.
    """
    space = Space(spec)
    groups: dict[str, list[FrozenTrial]] = {name: [] for name in space.optimizers}
    untrained = None  # the same for all: trials of a study start from the same weights
    for trial in trials:
        groups[trial.params["optimizer"]].append(trial)
        untrained = trial.user_attrs.get("untrained", untrained)
    return {name: _sensitivity(spec, space, group, untrained) for name, group in groups.items()}


def _sensitivity(
    spec: StudySpec, space: Space, trials: Sequence[FrozenTrial], untrained: float | None
) -> Sensitivity:
    sign = spec.goal.sign
    points = [point for trial in trials if (point := _point(spec, trial))]
    points.sort(key=lambda point: (point.learning_rate, point.number))
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = min(completed, key=lambda t: (sign * t.values[0], t.number), default=None)
    judged = [point for point in points if point.outcome != "stopped"]
    x = np.log10([point.learning_rate for point in judged])
    bands: dict[float, Band | None] = dict.fromkeys(FEWEST_TRIALS)
    if untrained is not None and len(completed) >= FEWEST_COMPLETED:
        scores = [untrained if point.score is None else point.score for point in judged]
        enough = [tolerance for tolerance, n in FEWEST_TRIALS.items() if len(judged) >= n]
        bands |= _bands(x, sign * np.array(scores), sign * untrained, enough)
    edge = _divergence_edge(x, np.array([point.outcome == "diverged" for point in judged]))
    good = bands[0.05]
    return Sensitivity(
        learning_rate=_rate(best) if best else None,
        within_1_percent=bands[0.01],
        within_5_percent=good,
        diverges_above=edge,
        zones=Zones(
            too_small_below=good.low if good and not good.open_below else None,
            too_large_above=good.high if good and not good.open_above else edge,
        ),
        borders=_borders(space, best) if best else [],
        points=_thinned(points, best.number if best else None),
    )


def _rate(trial: FrozenTrial) -> float | None:
    rate: float | None = trial.params.get(f"{trial.params['optimizer']}.learning_rate")
    return rate


def _point(spec: StudySpec, trial: FrozenTrial) -> Point | None:
    """The trial on a plot; None while it runs, or if its rate is not searched."""
    rate = _rate(trial)
    if rate is None or not trial.state.is_finished():
        return None
    if trial.state == TrialState.COMPLETE:
        score = trial.values[0] if math.isfinite(trial.values[0]) else None
        return Point(number=trial.number, learning_rate=rate, score=score, outcome="completed")
    outcome = trial.user_attrs.get("outcome", "stopped")
    score = trial.user_attrs["metrics"].get(spec.goal.name) if outcome == "dropped" else None
    return Point(number=trial.number, learning_rate=rate, score=score, outcome=outcome)


def _thinned(points: Sequence[Point], best: int | None) -> list[Point]:
    every = math.ceil(len(points) / MOST_POINTS) or 1
    return [p for place, p in enumerate(points) if place % every == 0 or p.number == best]


def _bands(
    x: Vector, y: Vector, untrained: float, tolerances: Iterable[float]
) -> dict[float, Band | None]:
    """Where the envelope of y over x, lower being better, is within each tolerance of its best."""
    best = y.min(initial=untrained)
    ceiling = best + CEILING * (untrained - best)
    if best >= ceiling:
        return dict.fromkeys(tolerances)
    xs, ys = _envelope(x, np.minimum(y, ceiling), ceiling)
    found: dict[float, Band | None] = {}
    for tolerance in tolerances:
        limit = best + tolerance * (untrained - best)
        # Away from its lowest point a convex curve only rises: there it is a function both ways.
        lowest = int(ys.argmin())
        low = float(np.interp(limit, ys[lowest::-1], xs[lowest::-1]))
        high = float(np.interp(limit, ys[lowest:], xs[lowest:]))
        found[tolerance] = Band(
            low=10**low,
            high=10**high,
            decades=high - low,
            open_below=bool(ys[0] <= limit),
            open_above=bool(ys[-1] <= limit),
        )
    return found


def _envelope(x: Vector, y: Vector, ceiling: float) -> tuple[Vector, Vector]:
    """The corners of the largest convex curve with no point below it, from left to right.

    Of the points at the ceiling that lie at either end only the innermost counts.
    """
    lowest = dict(sorted(zip(x, y, strict=True), key=lambda point: -point[1]))
    points = sorted(lowest.items())
    below = [place for place, point in enumerate(points) if point[1] < ceiling]
    corners: list[tuple[float, float]] = []
    for right in points[max(below[0] - 1, 0) : below[-1] + 2]:
        while len(corners) > 1:
            (x0, y0), (x1, y1) = corners[-2:]
            if (x1 - x0) * (right[1] - y0) > (y1 - y0) * (right[0] - x0):
                break
            corners.pop()
        corners.append(right)
    xs, ys = np.array(corners).T
    return xs, ys


def _divergence_edge(x: Vector, diverged: NDArray[np.bool_]) -> float | None:
    """Where a logistic fit over log10(rate) is at one half, if the rate explains divergence.

    Likelihood-ratio test against a constant share (Wilks 1938).
    """
    if not diverged.any() or diverged.all():
        return None
    fit = LogisticRegression(C=_REGULARISATION).fit(x[:, None], diverged)
    slope, intercept = fit.coef_[0, 0], fit.intercept_[0]
    constant = np.full(len(x), diverged.mean())
    gain = log_loss(diverged, constant, normalize=False) - log_loss(
        diverged, fit.predict_proba(x[:, None])[:, 1], normalize=False
    )
    if slope <= 0 or 2 * gain < chi2.ppf(_CONFIDENCE, 1):
        return None
    edge = -intercept / slope
    return float(10**edge) if x.min() <= edge <= x.max() else None


def _borders(space: Space, best: FrozenTrial) -> list[str]:
    sentences = []
    for owner, declared in (
        (best.params["optimizer"], RULES[best.params["optimizer"]].hyperparameters),
        (best.params["schedule"], SCHEDULES[best.params["schedule"]].hyperparameters),
    ):
        for h, name, distribution in space.searched(owner, declared):
            scale = math.log if distribution.log else float
            low, high, at = map(scale, (distribution.low, distribution.high, best.params[name]))
            share = (at - low) / (high - low)
            if BORDER < share < 1 - BORDER:
                continue
            ends, value = (distribution.low, distribution.high), best.params[name]
            upper = share > 0.5
            if h.scale == "log1m":  # searched as the distance from 1, shown as it is used
                ends, value, upper = (1 - ends[1], 1 - ends[0]), 1 - value, not upper
            if _can_widen(h, ends[upper], upper=upper):
                sentences.append(
                    f"{name.replace('.1-', '.')} of the best trial, {value:.4g}, lies at the "
                    f"{'upper' if upper else 'lower'} end of its range, {ends[0]:.4g} to "
                    f"{ends[1]:.4g}: widen it."
                )
    return sentences


def _can_widen(h: Hyperparameter, end: float, *, upper: bool) -> bool:
    return end < min(h.maximum, h.below) if upper else end > h.minimum
