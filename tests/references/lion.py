"""Lion, as printed."""

from collections.abc import Mapping

from tests.references.form import Slope


def sign(number: float) -> float:
    """-1, 0 or 1."""
    return float((number > 0) - (number < 0))


def lion(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Chen et al. 2023, algorithm 2."""
    b1, b2 = h["beta1"], h["beta2"]
    theta, path, m = list(start), [], [0.0] * len(start)
    for _ in range(steps):
        for i, g in enumerate(slope(theta)):
            c = b1 * m[i] + (1 - b1) * g
            theta[i] -= h["learning_rate"] * (sign(c) + h["weight_decay"] * theta[i])
            m[i] = b2 * m[i] + (1 - b2) * g
        path.append(list(theta))
    return path
