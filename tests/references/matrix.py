"""Rules that treat a weight matrix as a matrix, as printed.

The first four numbers are a matrix of two rows and two columns, all others a vector.
"""

from collections.abc import Mapping
from math import atan2, cos, hypot, sin, sqrt

from tests.references.form import Slope

Matrix = list[list[float]]


def parted(x: list[float]) -> tuple[Matrix, list[float]]:
    """The matrix and the vector."""
    return [x[0:2], x[2:4]], x[4:]


def times(a: Matrix, b: Matrix) -> Matrix:
    """The product of two matrices."""
    return [
        [sum(p * q for p, q in zip(row, column, strict=True)) for column in turned(b)] for row in a
    ]


def turned(a: Matrix) -> Matrix:
    """The transpose."""
    return [list(column) for column in zip(*a, strict=True)]


def mixed(share: float, a: Matrix, other: float, b: Matrix) -> Matrix:
    """``share a + other b``."""
    return [
        [share * p + other * q for p, q in zip(one, two, strict=True)]
        for one, two in zip(a, b, strict=True)
    ]


def eigen(a: Matrix) -> tuple[list[float], Matrix]:
    """Eigenvalues of a symmetric matrix, the largest first, and eigenvectors as columns."""
    (p, q), (_, r) = a
    angle = atan2(2 * q, p - r) / 2
    middle, radius = (p + r) / 2, hypot((p - r) / 2, q)
    return [middle + radius, middle - radius], [[cos(angle), -sin(angle)], [sin(angle), cos(angle)]]


def orthonormal(a: Matrix) -> Matrix:
    """Q of the QR decomposition, by Gram and Schmidt."""
    first, second = turned(a)
    first = [x / hypot(*first) for x in first]
    along = sum(x * y for x, y in zip(first, second, strict=True))
    second = [y - along * x for x, y in zip(first, second, strict=True)]
    return turned([first, [y / hypot(*second) for y in second]])


def muon(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Jordan et al. 2024, Muon with Newton-Schulz; weight decay of Liu et al. 2025, equation 4.

    The momentum is a running mean, as in its code. The vector follows AdamW.
    """
    (theta, bias), path = parted(list(start)), []
    momentum: Matrix = [[0.0, 0.0], [0.0, 0.0]]
    m, v = [0.0] * len(bias), [0.0] * len(bias)
    mu, eta, decay = h["momentum"], h["learning_rate"], h["weight_decay"]
    b1, b2 = h["fallback_beta1"], h["fallback_beta2"]
    for t in range(1, steps + 1):
        gradient, rest = parted(slope([*theta[0], *theta[1], *bias]))
        momentum = mixed(mu, momentum, 1 - mu, gradient)
        x = mixed(1 - mu, gradient, mu, momentum)
        norm = max(hypot(*x[0], *x[1]), h["epsilon"])
        x = [[number / norm for number in row] for row in x]
        for _ in range(5):
            a = times(x, turned(x))
            b = mixed(-4.7750, a, 2.0315, times(a, a))
            x = mixed(3.4445, x, 1.0, times(b, x))
        theta = mixed(1 - eta * decay, theta, -eta, x)
        for i, g in enumerate(rest):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
            m_hat, v_hat = m[i] / (1 - b1**t), v[i] / (1 - b2**t)
            step = m_hat / (sqrt(v_hat) + h["fallback_epsilon"]) + decay * bias[i]
            bias[i] -= eta * h["fallback_rate"] * step
        path.append([*theta[0], *theta[1], *bias])
    return path


def soap(start: list[float], slope: Slope, steps: int, h: Mapping[str, float]) -> list[list[float]]:
    """Vyas et al. 2024, algorithms 3 and 4, with f = 10; the vector is not turned.

    As in the authors' code: the first step only finds the basis, epsilon stands beside the root
    of v before its correction, and v is sorted with the eigenvectors.
    """
    (theta, bias), path = parted(list(start)), []
    left = right = m = v = [[0.0, 0.0], [0.0, 0.0]]
    q_left = q_right = [[1.0, 0.0], [0.0, 1.0]]
    m_bias, v_bias = [0.0] * len(bias), [0.0] * len(bias)
    b1, b2, b3, eta = h["beta1"], h["beta2"], h["shampoo_beta"], h["learning_rate"]
    for t in range(steps):
        g, rest = parted(slope([*theta[0], *theta[1], *bias]))
        left = mixed(b3, left, 1 - b3, times(g, turned(g)))
        right = mixed(b3, right, 1 - b3, times(turned(g), g))
        if t == 0:
            q_left, q_right = eigen(left)[1], eigen(right)[1]
            path.append(list(start))
            continue
        rate = eta * sqrt(1 - b2**t) / (1 - b1**t)
        keep = 1 - eta * h["weight_decay"]
        g_turned = times(times(turned(q_left), g), q_right)
        m = mixed(b1, m, 1 - b1, g)
        v = mixed(b2, v, 1 - b2, [[x**2 for x in row] for row in g_turned])
        m_turned = times(times(turned(q_left), m), q_right)
        step = [
            [x / (sqrt(y) + h["epsilon"]) for x, y in zip(one, two, strict=True)]
            for one, two in zip(m_turned, v, strict=True)
        ]
        theta = mixed(keep, theta, -keep * rate, times(times(q_left, step), turned(q_right)))
        for i, gi in enumerate(rest):
            m_bias[i] = b1 * m_bias[i] + (1 - b1) * gi
            v_bias[i] = b2 * v_bias[i] + (1 - b2) * gi**2
            bias[i] = keep * (bias[i] - rate * m_bias[i] / (sqrt(v_bias[i]) + h["epsilon"]))
        if t % 10 == 0:
            v, q_left = followed(left, q_left, v)
            v_turned, q_right = followed(right, q_right, turned(v))
            v = turned(v_turned)
        path.append([*theta[0], *theta[1], *bias])
    return path


def followed(factor: Matrix, q: Matrix, v: Matrix) -> tuple[Matrix, Matrix]:
    """Algorithm 4: Q of the QR decomposition of ``factor q``, the largest columns first; so v."""
    pushed = turned(times(factor, q))
    sizes = [sum(map(float.__mul__, *pair)) for pair in zip(turned(q), pushed, strict=True)]
    order = sorted(range(len(sizes)), key=lambda i: -sizes[i])
    return [v[i] for i in order], orthonormal(turned([pushed[i] for i in order]))


def shampoo(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Gupta et al. 2018, algorithm 1, the roots taken every tenth step; the vector has Adagrad.

    Grafted as in Shi et al. 2023, section 2.4: the step has the length of Adagrad's.
    """
    (theta, bias), path = parted(list(start)), []
    delta, eta = h["matrix_epsilon"], h["learning_rate"]
    left = right = [[delta, 0.0], [0.0, delta]]
    total = [0.0] * len(start)
    root_left = root_right = [[0.0, 0.0], [0.0, 0.0]]
    for t in range(steps):
        every = slope([*theta[0], *theta[1], *bias])
        g, _ = parted(every)
        left = mixed(1.0, left, 1.0, times(g, turned(g)))
        right = mixed(1.0, right, 1.0, times(turned(g), g))
        total = [si + gi**2 for si, gi in zip(total, every, strict=True)]
        if t % 10 == 0:
            root_left, root_right = root(left), root(right)
        adagrad = [gi / (sqrt(si) + h["epsilon"]) for gi, si in zip(every, total, strict=True)]
        d = times(times(root_left, g), root_right)
        graft = hypot(*adagrad[:4]) / hypot(*d[0], *d[1])
        theta = mixed(1.0, theta, -eta * graft, d)
        bias = [bi - eta * ai for bi, ai in zip(bias, adagrad[4:], strict=True)]
        path.append([*theta[0], *theta[1], *bias])
    return path


def root(a: Matrix) -> Matrix:
    """``a`` to the power of -1/4."""
    values, q = eigen(a)
    return times(
        [[x / value**0.25 for x, value in zip(row, values, strict=True)] for row in q], turned(q)
    )
