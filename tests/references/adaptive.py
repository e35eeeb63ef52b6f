"""Rules that scale each weight's step by its past gradients, as printed."""

from collections.abc import Mapping
from math import sqrt

from tests.references.form import Slope


def adagrad(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Duchi, Hazan & Singer 2011, figure 1, composite mirror descent without regulariser.

    s_t = the root of the sum of squared gradients, H_t = delta + s_t, x_{t+1} = x_t - eta g / H_t.
    """
    x, path = list(start), []
    past: list[list[float]] = [[] for _ in start]
    for _ in range(steps):
        for i, g in enumerate(slope(x)):
            past[i].append(g)
            s = sqrt(sum(old**2 for old in past[i]))
            x[i] -= h["learning_rate"] * g / (h["epsilon"] + s)
        path.append(list(x))
    return path


def rmsprop(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Tieleman & Hinton 2012, lecture 6.5, slide 29, with a share other than its 0.9.

    MeanSquare(w, t) = 0.9 MeanSquare(w, t-1) + 0.1 (dE/dw)^2; the gradient is divided by its root.
    Differs from the slide: epsilon beside the root, as every implementation has it.
    """
    x, path = list(start), []
    mean_square = [0.0] * len(start)
    for _ in range(steps):
        for i, g in enumerate(slope(x)):
            mean_square[i] = h["alpha"] * mean_square[i] + (1 - h["alpha"]) * g**2
            x[i] -= h["learning_rate"] * g / (sqrt(mean_square[i]) + h["epsilon"])
        path.append(list(x))
    return path


def adam(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Kingma & Ba 2014, algorithm 1."""
    return adamw(start, slope, steps, {**h, "weight_decay": 0.0})


def adamw(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Loshchilov & Hutter 2017, algorithm 2 (with lambda = 0: Kingma & Ba 2014, algorithm 1).

    Differs from the paper: its lambda is multiplied by the learning rate, as in every library.
    """
    alpha, b1, b2 = h["learning_rate"], h["beta1"], h["beta2"]
    theta, path = list(start), []
    m, v = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        for i, g in enumerate(slope(theta)):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
            m_hat = m[i] / (1 - b1**t)
            v_hat = v[i] / (1 - b2**t)
            step = alpha * m_hat / (sqrt(v_hat) + h["epsilon"])
            theta[i] -= step + alpha * h["weight_decay"] * theta[i]
        path.append(list(theta))
    return path
