"""Rules that find their step size by themselves, as printed."""

from collections.abc import Mapping
from math import dist, hypot, sqrt

from tests.references.form import Slope


def dog(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Ivgi, Hinder & Carmon 2023: eta_t = r_t / sqrt(G_t), r_t at least r_epsilon (1 + |x_0|).

    Differs from the paper, as the authors' code does: a learning rate, and epsilon in the root.
    """
    x, path = list(start), []
    farthest = h["initial_reach"] * (1 + hypot(*start))
    total = h["epsilon"]
    for _ in range(steps):
        g = slope(x)
        farthest = max(farthest, dist(x, start))
        total += hypot(*g) ** 2
        eta = h["learning_rate"] * farthest / sqrt(total)
        x = [xi - eta * gi for xi, gi in zip(x, g, strict=True)]
        path.append(x)
    return path


def dowg(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Khaled, Mishchenko & Jin 2023, algorithm 1.

    Differs from the paper: its r_epsilon is set as that of DoG is.
    """
    x, path = list(start), []
    r = h["initial_reach"] * (1 + hypot(*start))
    v = 0.0
    for _ in range(steps):
        g = slope(x)
        r = max(dist(x, start), r)
        v += r**2 * sum(gi**2 for gi in g)
        eta = h["learning_rate"] * r**2 / sqrt(v)
        x = [xi - eta * gi for xi, gi in zip(x, g, strict=True)]
        path.append(x)
    return path


def prodigy(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Mishchenko & Defazio 2023, algorithm 4 (the Adam version).

    Differs from the paper, as the authors' code does: r and s are divided by d_0 and not weighed
    by 1 - sqrt(beta2), which changes no quotient; epsilon is multiplied by the new d; d_coef.
    """
    gamma, b1, b2, first = h["learning_rate"], h["beta1"], h["beta2"], h["initial_distance"]
    x, path, d, r = list(start), [], first, 0.0
    m, v, s = [0.0] * len(start), [0.0] * len(start), [0.0] * len(start)
    for _ in range(steps):
        g = slope(x)
        weight = d / first * d * gamma
        agreed = sum(gi * (x0 - xi) for gi, x0, xi in zip(g, start, x, strict=True))
        r = sqrt(b2) * r + weight * agreed
        s = [sqrt(b2) * si + weight * gi for si, gi in zip(s, g, strict=True)]
        m = [b1 * mi + (1 - b1) * d * gi for mi, gi in zip(m, g, strict=True)]
        v = [b2 * vi + (1 - b2) * d**2 * gi**2 for vi, gi in zip(v, g, strict=True)]
        length = sum(abs(si) for si in s)
        later = max(d, h["distance_factor"] * r / length) if length else d
        x = [
            xi - gamma * d * mi / (sqrt(vi) + later * h["epsilon"])
            for xi, mi, vi in zip(x, m, v, strict=True)
        ]
        d = later
        path.append(x)
    return path


def dadapt_adam(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Defazio & Mishchenko 2023, algorithm 5 (D-Adapted Adam).

    Differs from the paper, as the authors' code does: epsilon beside every root.
    """
    gamma, b1, b2 = h["learning_rate"], h["beta1"], h["beta2"]
    root = sqrt(b2)
    x, path, d, r = list(start), [], h["initial_distance"], 0.0
    m, v, s = [0.0] * len(start), [0.0] * len(start), [0.0] * len(start)
    for _ in range(steps):
        g = slope(x)
        met = sum(gi * si / (sqrt(vi) + h["epsilon"]) for gi, si, vi in zip(g, s, v, strict=True))
        r = root * r + (1 - root) * d * gamma * met
        m = [b1 * mi + (1 - b1) * d * gamma * gi for mi, gi in zip(m, g, strict=True)]
        v = [b2 * vi + (1 - b2) * gi**2 for vi, gi in zip(v, g, strict=True)]
        s = [root * si + (1 - root) * d * gamma * gi for si, gi in zip(s, g, strict=True)]
        length = sum(abs(si) for si in s)
        d = max(d, r / ((1 - root) * length)) if length else d
        x = [xi - mi / (sqrt(vi) + h["epsilon"]) for xi, mi, vi in zip(x, m, v, strict=True)]
        path.append(x)
    return path
