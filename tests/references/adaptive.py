"""Rules that scale each weight's step by its past gradients, as printed."""

from collections.abc import Mapping
from math import fsum, sqrt

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
    Differs from the slide: epsilon beside the root, and momentum, as every implementation has it.
    """
    x, path = list(start), []
    mean_square, b = [0.0] * len(start), [0.0] * len(start)
    for _ in range(steps):
        for i, g in enumerate(slope(x)):
            mean_square[i] = h["alpha"] * mean_square[i] + (1 - h["alpha"]) * g**2
            b[i] = h["momentum"] * b[i] + g / (sqrt(mean_square[i]) + h["epsilon"])
            x[i] -= h["learning_rate"] * b[i]
        path.append(list(x))
    return path


def rmsprop_centered(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Graves 2013, equations 38 to 41: divided by the root of n - a^2, mean square less mean.

    With the weights w of the means, n - a^2 is the variance, the sum of w (g - a)^2; the share
    alpha^t of a mean that no gradient has reached yet counts as gradients of 0. Summed like this
    nothing cancels. Differs from the paper: epsilon and learning rate outside, as in torch.
    """
    alpha = h["alpha"]
    x, path = list(start), []
    past: list[list[float]] = [[] for _ in start]
    b = [0.0] * len(start)
    for t in range(1, steps + 1):
        shares = [alpha**t, *((1 - alpha) * alpha ** (t - i) for i in range(1, t + 1))]
        for i, g in enumerate(slope(x)):
            past[i].append(g)
            seen = [0.0, *past[i]]
            a = fsum(w * old for w, old in zip(shares, seen, strict=True))
            variance = fsum(w * (old - a) ** 2 for w, old in zip(shares, seen, strict=True))
            b[i] = h["momentum"] * b[i] + g / (sqrt(variance) + h["epsilon"])
            x[i] -= h["learning_rate"] * b[i]
        path.append(list(x))
    return path


def adadelta(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Zeiler 2012, algorithm 1. Differs from the paper: a learning rate multiplies its step."""
    rho, epsilon = h["rho"], h["epsilon"]
    x, path = list(start), []
    square, moved = [0.0] * len(start), [0.0] * len(start)
    for _ in range(steps):
        for i, g in enumerate(slope(x)):
            square[i] = rho * square[i] + (1 - rho) * g**2
            step = -sqrt(moved[i] + epsilon) / sqrt(square[i] + epsilon) * g
            moved[i] = rho * moved[i] + (1 - rho) * step**2
            x[i] += h["learning_rate"] * step
        path.append(list(x))
    return path
