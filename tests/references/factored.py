"""Adafactor as printed, for weights that are one vector."""

import sys
from collections.abc import Mapping
from math import hypot, sqrt

from tests.references.form import Slope


def adafactor(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Shazeer & Stern 2018, algorithm 5, with the learning rate of section 8.

    Differs from the paper, as torch does: eps1 is a floor under the mean square and not added to
    each square, and the share of the decay in the weights is the learning rate's.
    """
    floor, rate = sys.float_info.epsilon, h["learning_rate"]
    x, path, v = list(start), [], [0.0] * len(start)
    for t in range(1, steps + 1):
        g = slope(x)
        beta2 = 1 - t ** -h["decay_power"]
        v = [beta2 * vi + (1 - beta2) * gi**2 for vi, gi in zip(v, g, strict=True)]
        u = [gi / sqrt(max(vi, floor**2)) for gi, vi in zip(g, v, strict=True)]
        length = sqrt(len(x))
        alpha = max(h["floor"], hypot(*x) / length) * min(rate, 1 / sqrt(t))
        alpha /= max(1, hypot(*u) / length / h["clip"])
        x = [xi * (1 - rate * h["weight_decay"]) - alpha * ui for xi, ui in zip(x, u, strict=True)]
        path.append(x)
    return path
