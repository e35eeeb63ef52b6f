"""Gradient descent without and with memory, as printed."""

from collections.abc import Mapping

from tests.references.form import Slope


def sgd(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Robbins & Monro 1951, equation 8: x_{n+1} = x_n - a_n y_n."""
    x, path = start, []
    for _ in range(steps):
        x = [xi - h["learning_rate"] * yi for xi, yi in zip(x, slope(x), strict=True)]
        path.append(x)
    return path


def momentum(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Polyak 1964: x_{n+1} = x_n - a f'(x_n) + b (x_n - x_{n-1}), from x_{-1} = x_0."""
    x, previous, path = start, start, []
    for _ in range(steps):
        moved = [
            xi - h["learning_rate"] * gi + h["momentum"] * (xi - pi)
            for xi, gi, pi in zip(x, slope(x), previous, strict=True)
        ]
        previous, x = x, moved
        path.append(x)
    return path


def nesterov(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Sutskever, Martens, Dahl & Hinton 2013, equations 3 and 4.

    v_{t+1} = mu v_t - epsilon f'(theta_t + mu v_t);  theta_{t+1} = theta_t + v_{t+1}.
    The rule keeps the point theta + mu v, where the gradient is taken; so does this path.
    """
    rate, mu = h["learning_rate"], h["momentum"]
    theta, v, path = start, [0.0] * len(start), []
    for _ in range(steps):
        ahead = [ti + mu * vi for ti, vi in zip(theta, v, strict=True)]
        v = [mu * vi - rate * gi for vi, gi in zip(v, slope(ahead), strict=True)]
        theta = [ti + vi for ti, vi in zip(theta, v, strict=True)]
        path.append([ti + mu * vi for ti, vi in zip(theta, v, strict=True)])
    return path
