"""Rules that heed the sign of the newest gradient, as printed."""

from collections.abc import Mapping, Sequence
from math import sqrt

from tests.references.form import Slope
from tests.references.lion import sign


def masked(u: Sequence[float], g: Sequence[float]) -> list[float]:
    """Liang et al. 2024, algorithm 1: phi = I(u g > 0), grown by the share of ones.

    Differs from the paper: the share is at least 0.001, as in the authors' code, where the
    paper adds 1 to the number of ones.
    """
    phi = [float(ui * gi > 0) for ui, gi in zip(u, g, strict=True)]
    share = max(sum(phi) / len(phi), 1e-3)
    return [ui * on / share for ui, on in zip(u, phi, strict=True)]


def cautious_adamw(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Liang et al. 2024, algorithm 1."""
    b1, b2, rate = h["beta1"], h["beta2"], h["learning_rate"]
    w, path = list(start), []
    m, v = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        g = slope(w)
        m = [b1 * mi + (1 - b1) * gi for mi, gi in zip(m, g, strict=True)]
        v = [b2 * vi + (1 - b2) * gi**2 for vi, gi in zip(v, g, strict=True)]
        u = [
            mi / (1 - b1**t) / (sqrt(vi / (1 - b2**t)) + h["epsilon"])
            for mi, vi in zip(m, v, strict=True)
        ]
        w = [
            wi - rate * ui - rate * h["weight_decay"] * wi
            for wi, ui in zip(w, masked(u, g), strict=True)
        ]
        path.append(w)
    return path


def cautious_lion(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Liang et al. 2024, algorithm 2."""
    b1, b2, rate = h["beta1"], h["beta2"], h["learning_rate"]
    w, path, m = list(start), [], [0.0] * len(start)
    for _ in range(steps):
        g = slope(w)
        u = [sign(b1 * mi + (1 - b1) * gi) for mi, gi in zip(m, g, strict=True)]
        m = [b2 * mi + (1 - b2) * gi for mi, gi in zip(m, g, strict=True)]
        w = [
            wi - rate * ui - rate * h["weight_decay"] * wi
            for wi, ui in zip(w, masked(u, g), strict=True)
        ]
        path.append(w)
    return path


def grams(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Cao et al. 2024, definition of Grams: w -= eta sign(g) |u|, u the step of Adam."""
    b1, b2 = h["beta1"], h["beta2"]
    w, path = list(start), []
    m, v = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        for i, g in enumerate(slope(w)):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
            u = m[i] / (1 - b1**t) / (sqrt(v[i] / (1 - b2**t)) + h["epsilon"])
            w[i] -= h["learning_rate"] * sign(g) * abs(u)
        path.append(list(w))
    return path
