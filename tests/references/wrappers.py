"""Rules around another rule, as printed."""

from collections.abc import Mapping
from math import sqrt

from tests.references.form import Slope


def sam(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Foret et al. 2020, algorithm 1: epsilon = rho g / |g|, then g at w + epsilon.

    The base optimizer is momentum in the form b = mu b + g, w = w - eta b.
    """
    w, path, b = list(start), [], [0.0] * len(start)
    for _ in range(steps):
        g = slope(w)
        norm = sqrt(sum(gi**2 for gi in g))
        g_sam = slope([wi + h["rho"] * gi / norm for wi, gi in zip(w, g, strict=True)])
        b = [h["momentum"] * bi + gi for bi, gi in zip(b, g_sam, strict=True)]
        w = [wi - h["learning_rate"] * bi for wi, bi in zip(w, b, strict=True)]
        path.append(w)
    return path


def lookahead(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Zhang et al. 2019, algorithm 1, around AdamW, which keeps its state from loop to loop.

    phi = phi + alpha (theta - phi) after each k steps; theta starts anew from phi.
    """
    alpha, b1, b2 = h["learning_rate"], h["beta1"], h["beta2"]
    phi, theta, path = list(start), list(start), []
    m, v = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        for i, g in enumerate(slope(theta)):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
            m_hat, v_hat = m[i] / (1 - b1**t), v[i] / (1 - b2**t)
            step = m_hat / (sqrt(v_hat) + h["epsilon"]) + h["weight_decay"] * theta[i]
            theta[i] -= alpha * step
        if t % h["period"] == 0:
            phi = [pi + h["alpha"] * (ti - pi) for pi, ti in zip(phi, theta, strict=True)]
            theta = list(phi)
        path.append(list(theta))
    return path
