"""Adam with other numerators, as printed."""

from collections.abc import Mapping
from math import exp, log, sqrt

from tests.references.form import Slope


def nadamw(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Dahl et al. 2023, the NAdamW of its baselines; Choi et al. 2019, table 1."""
    b1, b2, eta = h["beta1"], h["beta2"], h["learning_rate"]
    theta, path = list(start), []
    m, v = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        for i, g in enumerate(slope(theta)):
            theta[i] *= 1 - eta * h["weight_decay"]
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
            ahead = (b1 * m[i] + (1 - b1) * g) / (1 - b1**t)
            theta[i] -= eta * ahead / (sqrt(v[i] / (1 - b2**t)) + h["epsilon"])
        path.append(list(theta))
    return path


def adan(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Xie et al. 2022, algorithm 1, without restarts.

    Differs from the paper, as the authors' code does: a beta is the share that is kept, and
    the means are corrected for their start.
    """
    b1, b2, b3, eta = h["beta1"], h["beta2"], h["beta3"], h["learning_rate"]
    theta, path, before = list(start), [], slope(start)
    m, v, n = [0.0] * len(start), [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        now = before if t == 1 else slope(theta)
        for i, g in enumerate(now):
            change = g - before[i]
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * change
            n[i] = b3 * n[i] + (1 - b3) * (g + b2 * change) ** 2
            rate = eta / (sqrt(n[i] / (1 - b3**t)) + h["epsilon"])
            step = rate * (m[i] / (1 - b1**t) + b2 * v[i] / (1 - b2**t))
            theta[i] = (theta[i] - step) / (1 + h["weight_decay"] * eta)
        before = now
        path.append(list(theta))
    return path


def ademamix(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Pagliardini, Ablin & Grangier 2024, algorithm 1, warming alpha and beta3 up all along."""
    b1, b2, b3, eta = h["beta1"], h["beta2"], h["beta3"], h["learning_rate"]
    theta, path = list(start), []
    m1, m2, nu = [0.0] * len(start), [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        alpha = min(t * h["alpha"] / steps, h["alpha"])
        x = t / steps
        b3_t = min(exp(log(b1) * log(b3) / ((1 - x) * log(b3) + x * log(b1))), b3)
        for i, g in enumerate(slope(theta)):
            m1[i] = b1 * m1[i] + (1 - b1) * g
            m2[i] = b3_t * m2[i] + (1 - b3_t) * g
            nu[i] = b2 * nu[i] + (1 - b2) * g**2
            mixed = m1[i] / (1 - b1**t) + alpha * m2[i]
            step = mixed / (sqrt(nu[i] / (1 - b2**t)) + h["epsilon"])
            theta[i] -= eta * (step + h["weight_decay"] * theta[i])
        path.append(list(theta))
    return path


def mars(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Yuan et al. 2024, algorithm 2 (MARS-AdamW), in its approximate form: g_{t-1} is kept.

    Its first step has no gradient before it, and no correction.
    """
    b1, b2, eta = h["beta1"], h["beta2"], h["learning_rate"]
    x, path, before = list(start), [], slope(start)
    m, v = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        now = before if t == 1 else slope(x)
        pairs = zip(now, before, strict=True)
        c = [g + h["gamma"] * b1 / (1 - b1) * (g - old) for g, old in pairs]
        norm = sqrt(sum(ci**2 for ci in c))
        if norm > 1:
            c = [ci / norm for ci in c]
        for i, ci in enumerate(c):
            m[i] = b1 * m[i] + (1 - b1) * ci
            v[i] = b2 * v[i] + (1 - b2) * ci**2
            step = m[i] / (1 - b1**t) / (sqrt(v[i] / (1 - b2**t)) + h["epsilon"])
            x[i] -= eta * (step + h["weight_decay"] * x[i])
        before = now
        path.append(list(x))
    return path
