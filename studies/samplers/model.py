"""Fallline's own sampler: one model of all optimizers, one fit a wave.

A Gaussian process learns from the trials how they stand; each trial of the wave is then the best
candidate in a draw of its own from what the process holds possible (Thompson sampling, as in
Kandasamy et al. 2018, Parallelised Bayesian Optimisation via Thompson Sampling). So a wave spreads
out by itself, and as widely as little is known.

Waves take turns at what they learn: from ranks a wave finds its way on a plateau, where all is
nearly equal; from relative losses it leaves the plateau for what was hardly tried; from who is among the
best it goes where luck varies most, as at the edge of divergence, whatever the mean is there.

Half of a wave is not left to the process, once it knows a good deal: it stays near the best trials.

Trials on single samples take many times the steps of others, and many of them in one stack hardly more
time than one. So a wave has only such trials or none, and a wave that trains beside it likewise. For
every other pair of waves the process decides which, not the best trial, or the other would never be tried.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from studies.samplers.cube import Cube, Points, mirrored
from studies.samplers.features import Features
from studies.samplers.gaussian_process import GaussianProcess
from studies.samplers.local import local_steps
from studies.samplers.standing import among_best, normal_scores, relative_losses, standing
from studies.spec import Goal

CANDIDATES = 2400  # half of them anywhere, half near the best
PROMISING = 600  # of them are drawn from
DEVIATIONS = 2.0  # below its mean is how good a candidate may well be
STARTED = 24  # trials that end before a model is fitted, at most: fewer lead it astray
LEARNED_FROM = 400  # trials at most: the best and the latest
PAIRED = 2  # waves in a row with single samples, or without
SPARE = 16  # points drawn for each that is wanted: enough are alike
CHANGED = 0.15  # how often a candidate near a good trial makes another choice
CROSSED = 0.3  # how often one takes a number from another good trial
LOCAL = 0.5  # of a wave, at most, are small steps away from the best trials
LOCAL_FROM = 64  # trials that have ended: before, something better is soon found elsewhere


class Model:
    """Proposes what may well be better than everything so far.

    Args:
        cube: of the space.
        goal: the study's.
        trials: that the study may have; a short one cannot afford many random ones.
    """

    def __init__(self, cube: Cube, goal: Goal, trials: int) -> None:
        self._cube, self._goal = cube, goal
        self._started = max(1, min(STARTED, len(cube.axes), trials // 4))
        self._features = Features(cube)
        # Of all trials so far, so that no wave reads them all again.
        self._points: Points = np.empty((0, len(cube.axes)))
        self._standings: NDArray[np.float64] = np.empty((0, 3))  # NaN until it has ended

    def propose(
        self, trials: Sequence[FrozenTrial], count: int, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Parameters of the next trials.

        Args:
            trials: all asked for so far, running ones among them, always in the same order.
            count: how many are wanted.
            rng: draws the candidates.
        """
        self._read(trials)
        ended = ~np.isnan(self._standings[:, 0])
        wave = trials[-1].user_attrs["wave"] + 1 if trials else 0
        wants_single = bool(self._cube.single(self._points[-1:])[0]) if wave % PAIRED else None
        if ended.sum() < self._started:
            return self._cube.params(self._by_chance(count, wants_single, rng))
        points, standings = self._points[ended], self._standings[ended]
        ranks = normal_scores(standings)
        ranked = points[np.argsort(ranks, kind="stable")]
        process_decides = self._cube.has_single and wave % (2 * PAIRED) == 0
        steps = 0 if process_decides or len(ranked) < LOCAL_FROM else int(LOCAL * count)
        local = local_steps(self._cube, ranked, self._points, steps, wants_single, rng)
        if len(local):
            wants_single = bool(self._cube.single(local)[0])
        scores = self._scores(standings, ranks, wave)
        learned = _learned_from(ranks)
        process = GaussianProcess(
            self._features(points[learned]), scores[learned], self._features.groups
        )
        candidates = self._candidates(ranked, rng)
        features = self._features(candidates)
        mean, deviation = process.predict(features)
        promising = np.argsort(mean - DEVIATIONS * deviation, kind="stable")[:PROMISING]
        single = self._cube.single(candidates[promising])
        chosen: list[int] = []
        for draw in process.draw(features[promising], count - len(local), rng):
            draw[chosen] = np.inf
            alike = np.where(single == wants_single, draw, np.inf)
            chosen.append(int((alike if np.isfinite(alike).any() else draw).argmin()))
            wants_single = single[chosen[-1]]
        return self._cube.params(np.concatenate([local, candidates[promising[chosen]]]))

    def _scores(
        self, standings: NDArray[np.float64], ranks: NDArray[np.float64], wave: int
    ) -> NDArray[np.float64]:
        """What this wave learns from, lower being better."""
        turn = wave % 3
        # Where nobody knows the best value there can be, no difference says how much it is.
        if turn == 1 and self._goal.best is not None:
            return relative_losses(standings)
        return among_best(ranks) if turn == 2 else ranks

    def _read(self, trials: Sequence[FrozenTrial]) -> None:
        """Add the points of trials that are new, and the standings of those that have ended."""
        new = [self._cube.point(trial.params) for trial in trials[len(self._points) :]]
        self._points = np.concatenate([self._points, np.reshape(new, (-1, len(self._cube.axes)))])
        unknown = np.full((len(new), 3), np.nan)
        self._standings = np.concatenate([self._standings, unknown])
        for place in np.flatnonzero(np.isnan(self._standings[:, 0])).tolist():
            # A trial that was stopped says nothing of its configuration.
            if trials[place].state in {TrialState.COMPLETE, TrialState.PRUNED}:
                self._standings[place] = standing(trials[place], self._goal)

    def _by_chance(self, count: int, wants_single: bool | None, rng: np.random.Generator) -> Points:
        points = self._cube.switched(rng.random((SPARE * count, len(self._cube.axes))))
        single = self._cube.single(points)
        alike = points[single == (single[0] if wants_single is None else wants_single)]
        return (alike if len(alike) >= count else points)[:count]

    def _candidates(self, ranked: Points, rng: np.random.Generator) -> Points:
        """Anywhere, and near good ones of what was tried, given best first."""
        axes, choices = len(self._cube.axes), len(self._cube.choices)
        anywhere = rng.random((CANDIDATES // 2, axes))
        # At distances of every order.
        parents = ranked[self._good(ranked, CANDIDATES // 2, rng)]
        # Half of them have some numbers of another good trial, where that has them too.
        other = (_good(len(ranked)) * rng.random(parents.shape) ** 2).astype(int)
        numbers = ranked[other, np.arange(axes)]
        crossed = (rng.random(parents.shape) < CROSSED) & ~np.isnan(numbers)
        crossed[::2] = crossed[:, :choices] = False
        parents = np.where(crossed, numbers, parents)
        away = 10 ** rng.uniform(-2, -0.5, (CANDIDATES // 2, 1))
        near = parents + away * rng.standard_normal((CANDIDATES // 2, axes))
        near[:, :choices] = parents[:, :choices]
        again = rng.random(near.shape)
        near[:, :choices][rng.random((len(near), choices)) < CHANGED] = np.nan
        # What was changed, and what a new choice switches on, has no value yet.
        near = np.where(np.isnan(near), again, mirrored(near))
        return self._cube.switched(np.concatenate([anywhere, near]))

    def _good(self, ranked: Points, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Places of good trials, the better the more often.

        Half are among the best of all; half among those of one optimizer, a leading one more often,
        or whichever leads would be the only one to be tuned.
        """
        chosen = self._cube.chosen(ranked)[:, 0]
        leading = chosen[np.sort(np.unique(chosen, return_index=True)[1])]
        groups = [np.arange(len(ranked)), *(np.flatnonzero(chosen == each) for each in leading)]
        group = 1 + (len(leading) * rng.random(count) ** 2).astype(int)
        group[: count // 2] = 0
        good = np.array([_good(len(each)) for each in groups])
        rank = (good[group] * rng.random(count) ** 2).astype(int)
        first = np.cumsum([0, *map(len, groups[:-1])])
        return np.asarray(np.concatenate(groups)[first[group] + rank])


def _good(trials: int) -> int:
    """How many of so many trials are good ones to be near."""
    return min(trials, max(5, trials // 10))


def _learned_from(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places of the best half and the latest half of what may be learned from, in order."""
    if len(scores) <= LEARNED_FROM:
        return np.arange(len(scores))
    best = np.argsort(scores, kind="stable")[: LEARNED_FROM // 2]
    others = np.setdiff1d(np.arange(len(scores)), best)
    return np.sort(np.concatenate([best, others[-(LEARNED_FROM - len(best)) :]]))
