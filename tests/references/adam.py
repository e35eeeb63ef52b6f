"""Adam and its kin, as printed."""

from collections.abc import Mapping
from math import prod, sqrt

from tests.references.form import Slope


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


def amsgrad(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Reddi, Kale & Kumar 2018, algorithm 2.

    Differs from the paper: Adam's epsilon and corrections for the start, as in torch; the largest
    mean of squares is taken before its correction.
    """
    alpha, b1, b2 = h["learning_rate"], h["beta1"], h["beta2"]
    x, path = list(start), []
    m, v, v_hat = [0.0] * len(start), [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        for i, g in enumerate(slope(x)):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
            v_hat[i] = max(v_hat[i], v[i])
            spread = sqrt(v_hat[i] / (1 - b2**t)) + h["epsilon"]
            x[i] -= alpha * m[i] / (1 - b1**t) / spread
        path.append(list(x))
    return path


def adamax(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Kingma & Ba 2014, algorithm 2. Differs from the paper: epsilon added to |g|, as in torch."""
    alpha, b1, b2 = h["learning_rate"], h["beta1"], h["beta2"]
    theta, path = list(start), []
    m, u = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        for i, g in enumerate(slope(theta)):
            m[i] = b1 * m[i] + (1 - b1) * g
            u[i] = max(b2 * u[i], abs(g) + h["epsilon"])
            theta[i] -= alpha / (1 - b1**t) * m[i] / u[i]
        path.append(list(theta))
    return path


def nadam(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Dozat 2016, NAdam with its schedule of mu.

    Differs from the paper: m decays by beta1 and not by mu_t, as in torch.
    """
    alpha, b1, b2 = h["learning_rate"], h["beta1"], h["beta2"]
    mu = [b1 * (1 - 0.5 * 0.96 ** (t * h["momentum_decay"])) for t in range(1, steps + 2)]
    theta, path = list(start), []
    m, n = [0.0] * len(start), [0.0] * len(start)
    for t in range(1, steps + 1):
        for i, g in enumerate(slope(theta)):
            m[i] = b1 * m[i] + (1 - b1) * g
            n[i] = b2 * n[i] + (1 - b2) * g**2
            g_hat = g / (1 - prod(mu[:t]))
            m_hat = m[i] / (1 - prod(mu[: t + 1]))
            n_hat = n[i] / (1 - b2**t)
            m_bar = (1 - mu[t - 1]) * g_hat + mu[t] * m_hat
            theta[i] -= alpha * m_bar / (sqrt(n_hat) + h["epsilon"])
        path.append(list(theta))
    return path


def radam(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Liu et al. 2019, algorithm 2.

    Differs from the paper: epsilon, and a threshold of 5 where it has 4, both as in the authors'
    code and in torch.
    """
    alpha, b1, b2 = h["learning_rate"], h["beta1"], h["beta2"]
    theta, path = list(start), []
    m, v = [0.0] * len(start), [0.0] * len(start)
    rho_inf = 2 / (1 - b2) - 1
    for t in range(1, steps + 1):
        rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
        for i, g in enumerate(slope(theta)):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
            m_hat = m[i] / (1 - b1**t)
            if rho > 5:
                top = (rho - 4) * (rho - 2) * rho_inf
                r = sqrt(top / ((rho_inf - 4) * (rho_inf - 2) * rho))
                theta[i] -= alpha * r * m_hat * sqrt(1 - b2**t) / (sqrt(v[i]) + h["epsilon"])
            else:
                theta[i] -= alpha * m_hat
        path.append(list(theta))
    return path
