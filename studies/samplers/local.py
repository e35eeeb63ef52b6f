"""Local search: small steps away from the best trials.

A small step changes a loss by some percent either way, which is more than a model of the whole space
can foretell, and of several steps one is often better. So a search does both, as in Wang et al. 2021
(Economical Hyperparameter Optimization with Blended Search Strategy).
"""

import numpy as np
from numpy.typing import NDArray

from studies.samplers.cube import Cube, Point, Points, mirrored

LEADERS = 10  # of the best trials, at most, steps are made from
ENOUGH = 16  # trials near a leader: more would seldom be better
NEAR = 0.12  # of its range, by which a number of a trial near another differs, root mean square
SHORTEST, LONGEST = 0.02, 0.08  # steps' standard deviation, likewise


def local_steps(
    cube: Cube,
    ranked: Points,
    tried: Points,
    count: int,
    wants_single: bool | None,
    rng: np.random.Generator,
) -> Points:
    """Points around the best trials, with their choices: around the very best until it has enough.

    Args:
        cube: of the space.
        ranked: trials that have ended, best first, (n, axes).
        tried: all that were asked for, running ones among them, (m, axes).
        count: how many are wanted.
        wants_single: whether they shall train on single samples; None for either, all alike.
        rng: draws the steps.

    Returns:
        (at most count, axes): fewer if all leaders have enough.
    """
    found, leaders = np.empty((0, len(cube.axes))), np.empty((0, len(cube.axes)))
    for best in ranked[:LEADERS]:
        if len(found) == count:
            break
        single = bool(cube.single(best[None])[0])
        # Near a better one it is one of that one's steps.
        if _near(cube, leaders, best).any() or wants_single not in {None, single}:
            continue
        leaders = np.concatenate([leaders, best[None]])
        others = int(_near(cube, tried, best).sum()) - 1
        if (missing := min(count - len(found), ENOUGH - others)) > 0:
            wants_single = single
            found = np.concatenate([found, _around(cube, best, missing, rng)])
    return found


def _around(cube: Cube, point: Point, count: int, rng: np.random.Generator) -> Points:
    length = np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST), (count, 1)))
    points = mirrored(point + length * rng.standard_normal((count, len(point))))
    points[:, : len(cube.choices)] = point[: len(cube.choices)]
    return points


def _near(cube: Cube, points: Points, point: Point) -> NDArray[np.bool_]:
    """Which points have the choices of one and numbers near its own: (n,)."""
    near = (cube.chosen(points) == cube.chosen(point[None])).all(axis=1)
    away = (points[near] - point)[:, len(cube.choices) :]  # NaN on the same axes
    near[near] = np.sqrt(np.nanmean(away**2, axis=1)) < NEAR
    return np.asarray(near)
