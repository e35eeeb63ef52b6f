"""Rules that ask for the curvature of the loss, as printed."""

from collections.abc import Mapping

import torch

from tests.references.form import Slope


def sophia(
    start: list[float], slope: Slope, steps: int, h: Mapping[str, float]
) -> list[list[float]]:
    """Liu et al. 2023, algorithm 3 (Sophia) with algorithm 1 (Hutchinson), k = 10.

    The Hessian times u is the change of the slope along u, as for a quadratic loss. The random u
    comes from torch's generator seeded by the step's number: that is part of the rule.
    """
    theta, path = list(start), []
    m, curvature = [0.0] * len(start), [0.0] * len(start)
    b1, b2, eta = h["beta1"], h["beta2"], h["learning_rate"]
    for t in range(1, steps + 1):
        g = slope(theta)
        m = [b1 * mi + (1 - b1) * gi for mi, gi in zip(m, g, strict=True)]
        if t % 10 == 1:
            u = torch.randn(len(start), generator=torch.Generator().manual_seed(t)).tolist()
            ahead = slope([ti + ui for ti, ui in zip(theta, u, strict=True)])
            h_hat = [ui * (ai - gi) for ui, ai, gi in zip(u, ahead, g, strict=True)]
            curvature = [b2 * hi + (1 - b2) * ei for hi, ei in zip(curvature, h_hat, strict=True)]
        for i, (mi, hi) in enumerate(zip(m, curvature, strict=True)):
            theta[i] -= eta * h["weight_decay"] * theta[i]
            theta[i] -= eta * max(-1.0, min(1.0, mi / max(h["gamma"] * hi, h["epsilon"])))
        path.append(list(theta))
    return path
