"""Rules that average their points, as printed."""

from collections.abc import Mapping
from math import sqrt

from tests.references.form import Slope


def schedule_free_sgd(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Defazio et al. 2024, the three sequences, weighted as in its algorithm 1.

    y_t = (1-beta) z_t + beta x_t;  z_{t+1} = z_t - gamma g(y_t);  x_{t+1} = (1-c) x_t + c z_{t+1}
    with c = gamma^2 / sum of gamma^2. The path is that of y, where gradients are taken.
    """
    rate, beta = h["learning_rate"], h["beta"]
    x, y, z, path, total = list(start), list(start), list(start), [], 0.0
    for t in range(1, steps + 1):
        weight = t ** h["averaging_power"] * rate**2
        total += weight
        c = weight / total
        for i, g in enumerate(slope(y)):
            z[i] -= rate * g
            x[i] = (1 - c) * x[i] + c * z[i]
        y = [(1 - beta) * zi + beta * xi for xi, zi in zip(x, z, strict=True)]
        path.append(y)
    return path


def schedule_free_adamw(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Defazio et al. 2024, algorithm 1, without warm-up; the path is that of y.

    Differs from the paper, as the authors' code does: the bias correction divides v and is no
    part of the learning rate, so epsilon is added to the corrected root and c knows nothing of it.
    """
    rate, beta, beta2 = h["learning_rate"], h["beta"], h["beta2"]
    x, y, z, path, total = list(start), list(start), list(start), [], 0.0
    v = [0.0] * len(start)
    for t in range(1, steps + 1):
        weight = t ** h["averaging_power"] * rate**2
        total += weight
        c = weight / total
        for i, g in enumerate(slope(y)):
            v[i] = beta2 * v[i] + (1 - beta2) * g**2
            step = g / (sqrt(v[i] / (1 - beta2**t)) + h["epsilon"])
            z[i] -= rate * step + rate * h["weight_decay"] * y[i]
            x[i] = (1 - c) * x[i] + c * z[i]
        y = [(1 - beta) * zi + beta * xi for xi, zi in zip(x, z, strict=True)]
        path.append(y)
    return path


def madgrad(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Defazio & Jelassi 2021, algorithm 1; its c is 1 - momentum.

    Differs from the paper: epsilon is added to the learning rate too, as in the authors' code.
    """
    x, path = list(start), []
    s, nu = [0.0] * len(start), [0.0] * len(start)
    for k in range(steps):
        weight = (h["learning_rate"] + h["epsilon"]) * sqrt(k + 1)
        for i, g in enumerate(slope(x)):
            s[i] += weight * g
            nu[i] += weight * g**2
            z = start[i] - s[i] / (nu[i] ** (1 / 3) + h["epsilon"])
            x[i] = h["momentum"] * x[i] + (1 - h["momentum"]) * z
        path.append(list(x))
    return path
