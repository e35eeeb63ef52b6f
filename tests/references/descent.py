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


def qhm(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Ma & Yarats 2018, section 3.

    g_{t+1} = beta g_t + (1 - beta) f'(theta_t);
    theta_{t+1} = theta_t - alpha ((1 - nu) f'(theta_t) + nu g_{t+1}).
    """
    beta, nu = h["beta"], h["nu"]
    theta, path = list(start), []
    mean = [0.0] * len(start)
    for _ in range(steps):
        for i, g in enumerate(slope(theta)):
            mean[i] = beta * mean[i] + (1 - beta) * g
            theta[i] -= h["learning_rate"] * ((1 - nu) * g + nu * mean[i])
        path.append(list(theta))
    return path


def aggmo(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Lucas, Sun, Zemel & Grosse 2018, section 3.

    v_i = beta_i v_i - f'(theta) for each of K velocities;  theta = theta + gamma / K sum v_i.
    """
    betas = h["beta1"], h["beta2"], h["beta3"]
    theta, path = list(start), []
    v = [[0.0] * len(betas) for _ in start]
    for _ in range(steps):
        for i, g in enumerate(slope(theta)):
            v[i] = [beta * old - g for beta, old in zip(betas, v[i], strict=True)]
            theta[i] += h["learning_rate"] / len(betas) * sum(v[i])
        path.append(list(theta))
    return path


def asgd(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Bottou 2012, Stochastic Gradient Descent Tricks, section 5: the weights, not their average.

    The gradient of lambda/2 |w|^2 + f(w), with rate gamma_t = gamma_0 (1 + gamma_0 lambda t)^-0.75,
    which averaging asks for. Differs from the text: any exponent; t counts from 0.
    """
    gamma, decay = h["learning_rate"], h["weight_decay"]
    w, path = list(start), []
    for t in range(steps):
        rate = gamma * (1 + gamma * decay * t) ** -h["alpha"]
        w = [wi - rate * (decay * wi + gi) for wi, gi in zip(w, slope(w), strict=True)]
        path.append(w)
    return path


def signum(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Bernstein, Wang, Azizzadenesheli & Anandkumar 2018, algorithm 2."""
    x, path = list(start), []
    m = [0.0] * len(start)
    for _ in range(steps):
        for i, g in enumerate(slope(x)):
            m[i] = h["momentum"] * m[i] + (1 - h["momentum"]) * g
            x[i] -= h["learning_rate"] * ((m[i] > 0) - (m[i] < 0))
        path.append(list(x))
    return path


def rprop(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Igel & Huesken 2000, Improving the Rprop Learning Algorithm, iRprop-.

    Riedmiller & Braun 1993 without its way back: where the gradient turned, the weight rests.
    """
    x, path = list(start), []
    delta, previous = [h["learning_rate"]] * len(start), [0.0] * len(start)
    for _ in range(steps):
        for i, slope_i in enumerate(slope(x)):
            g = slope_i
            if g * previous[i] > 0:
                delta[i] = min(delta[i] * h["grow"], h["largest"])
            elif g * previous[i] < 0:
                delta[i] = max(delta[i] * h["shrink"], h["smallest"])
                g = 0.0
            x[i] -= delta[i] * ((g > 0) - (g < 0))
            previous[i] = g
        path.append(list(x))
    return path
