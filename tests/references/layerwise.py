"""Rules that fit each tensor's step to its norm, as printed; here the weights are one tensor."""

from collections.abc import Mapping
from math import hypot, sqrt

from tests.references.form import Slope


def lamb(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """You et al. 2019, algorithm 2, with phi(z) = z; a ratio with a zero in it is 1."""
    b1, b2, decay = h["beta1"], h["beta2"], h["weight_decay"]
    x, path = list(start), []
    m, v = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        g = slope(x)
        m = [b1 * mi + (1 - b1) * gi for mi, gi in zip(m, g, strict=True)]
        v = [b2 * vi + (1 - b2) * gi**2 for vi, gi in zip(v, g, strict=True)]
        r = [
            (mi / (1 - b1**t)) / (sqrt(vi / (1 - b2**t)) + h["epsilon"])
            for mi, vi in zip(m, v, strict=True)
        ]
        u = [ri + decay * xi for ri, xi in zip(r, x, strict=True)]
        ratio = hypot(*x) / hypot(*u) if hypot(*x) and hypot(*u) else 1.0
        x = [xi - h["learning_rate"] * ratio * ui for xi, ui in zip(x, u, strict=True)]
        path.append(x)
    return path


def lars(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """You, Gitman & Ginsburg 2017, algorithm 1.

    Differs from the paper: the learning rate multiplies the velocity and not what is added to it,
    which differs only under a schedule; a local rate with a zero in it is 1.
    """
    decay = h["weight_decay"]
    w, path, v = list(start), [], [0.0] * len(start)
    for _ in range(steps):
        g = slope(w)
        local = 1.0
        if hypot(*w) and hypot(*g):
            local = h["trust_coefficient"] * hypot(*w) / (hypot(*g) + decay * hypot(*w))
        v = [
            h["momentum"] * vi + local * (gi + decay * wi)
            for vi, gi, wi in zip(v, g, w, strict=True)
        ]
        w = [wi - h["learning_rate"] * vi for wi, vi in zip(w, v, strict=True)]
        path.append(w)
    return path


def novograd(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Ginsburg et al. 2019, algorithm 1."""
    w, path, m, v = list(start), [], [0.0] * len(start), 0.0
    for t in range(1, steps + 1):
        g = slope(w)
        square = sum(gi**2 for gi in g)
        v = square if t == 1 else h["beta2"] * v + (1 - h["beta2"]) * square
        m = [
            h["beta1"] * mi + (gi / (sqrt(v) + h["epsilon"]) + h["weight_decay"] * wi)
            for mi, gi, wi in zip(m, g, w, strict=True)
        ]
        w = [wi - h["learning_rate"] * mi for wi, mi in zip(w, m, strict=True)]
        path.append(w)
    return path
