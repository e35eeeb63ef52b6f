"""Adam with other denominators, as printed."""

from collections.abc import Mapping
from math import sqrt

from tests.references.form import Slope
from tests.references.lion import sign


def yogi(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Zaheer et al. 2018, algorithm 2, with v_0 = 1e-6 as its section 5 advises.

    Differs from the paper: both means are corrected for their start, as everywhere since.
    """
    b1, b2 = h["beta1"], h["beta2"]
    x, path = list(start), []
    m, v = [0.0] * len(start), [1e-6] * len(start)
    for t in range(1, steps + 1):
        for i, g in enumerate(slope(x)):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] -= (1 - b2) * sign(v[i] - g**2) * g**2
            v_hat = v[i] / (1 - b2**t)
            x[i] -= h["learning_rate"] * m[i] / (1 - b1**t) / (sqrt(v_hat) + h["epsilon"])
        path.append(list(x))
    return path


def adabelief(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Zhuang et al. 2020, algorithm 2."""
    b1, b2 = h["beta1"], h["beta2"]
    theta, path = list(start), []
    m, s = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        for i, g in enumerate(slope(theta)):
            m[i] = b1 * m[i] + (1 - b1) * g
            s[i] = b2 * s[i] + (1 - b2) * (g - m[i]) ** 2 + h["epsilon"]
            s_hat = s[i] / (1 - b2**t)
            theta[i] -= h["learning_rate"] * m[i] / (1 - b1**t) / (sqrt(s_hat) + h["epsilon"])
        path.append(list(theta))
    return path


def adabound(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Luo, Xiong, Liu & Sun 2019, algorithm 2, with the bounds of its section 4.

    Differs from the paper, as the authors' code does: Adam's corrections for the start, no
    division by the root of t, and a final rate that follows the schedule: here it is a
    multiple of the learning rate.
    """
    b1, b2, alpha, gamma = h["beta1"], h["beta2"], h["learning_rate"], h["gamma"]
    final = alpha * h["final_ratio"]
    x, path = list(start), []
    m, v = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        lower, upper = final * (1 - 1 / (gamma * t + 1)), final * (1 + 1 / (gamma * t))
        for i, g in enumerate(slope(x)):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
            rate = alpha * sqrt(1 - b2**t) / (1 - b1**t) / (sqrt(v[i]) + h["epsilon"])
            x[i] -= min(max(rate, lower), upper) * m[i]
        path.append(list(x))
    return path


def laprop(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Ziyin, Wang & Ueda 2020, algorithm 1."""
    mu, nu = h["beta1"], h["beta2"]
    theta, path = list(start), []
    m, n = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        for i, g in enumerate(slope(theta)):
            n[i] = nu * n[i] + (1 - nu) * g**2
            m[i] = mu * m[i] + (1 - mu) * g / (sqrt(n[i] / (1 - nu**t)) + h["epsilon"])
            theta[i] -= h["learning_rate"] * m[i] / (1 - mu**t)
        path.append(list(theta))
    return path


def adopt(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Taniguchi et al. 2024, algorithm 2, counting the step that only sets v_0 as the first.

    So its clipping bound t^0.25 is (t - 1)^0.25 here.
    """
    b1, b2 = h["beta1"], h["beta2"]
    theta, path = list(start), [list(start)]
    m, v = [0.0] * len(start), [g**2 for g in slope(start)]
    for t in range(1, steps):
        bound = t**0.25
        for i, g in enumerate(slope(theta)):
            scaled = min(max(g / max(sqrt(v[i]), h["epsilon"]), -bound), bound)
            m[i] = b1 * m[i] + (1 - b1) * scaled
            theta[i] -= h["learning_rate"] * m[i]
            v[i] = b2 * v[i] + (1 - b2) * g**2
        path.append(list(theta))
    return path


def stable_adamw(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Wortsman et al. 2023, algorithm 2, its means corrected for their start as in Adam."""
    b1, b2, count = h["beta1"], h["beta2"], len(start)
    theta, path = list(start), []
    m, v = [0.0] * count, [0.0] * count
    for t in range(1, steps + 1):
        g = slope(theta)
        m = [b1 * mi + (1 - b1) * gi for mi, gi in zip(m, g, strict=True)]
        v = [b2 * vi + (1 - b2) * gi**2 for vi, gi in zip(v, g, strict=True)]
        u = [vi / (1 - b2**t) for vi in v]
        squares = [gi**2 / max(ui, h["epsilon"] ** 2) for gi, ui in zip(g, u, strict=True)]
        rate = h["learning_rate"] / max(1.0, sqrt(sum(squares) / count))
        for i in range(count):
            step = m[i] / (1 - b1**t) / (sqrt(u[i]) + h["epsilon"])
            theta[i] -= rate * h["weight_decay"] * theta[i] + rate * step
        path.append(list(theta))
    return path
