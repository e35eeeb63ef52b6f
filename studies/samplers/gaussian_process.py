"""A Gaussian process over configurations: what trials so far say about those not tried.

Rasmussen & Williams 2006, Gaussian Processes for Machine Learning: algorithm 2.1, a Matérn 5/2
kernel with one length scale a group of features, fitted by the largest marginal likelihood under
a prior that keeps few trials from saying much.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

# Logarithms of the prior's centres: a decade of learning rate or a change of any choice matters;
# where in its range another hyperparameter lies matters less. Last, the noise's variance.
_CENTRES = (0.0, 0.0, 0.5, 0.0, 1.0, 1.0, 1.0, -2.3)
_SPREAD = 0.5  # variance of each logarithm
_BOUNDS = [(-3.0, 4.0)] * 7 + [(-7.0, 1.0)]
_JITTER = 1e-5  # keeps near twins apart in a Cholesky factor


class GaussianProcess:
    """Fitted to standardised values.

    Args:
        features: (n, features).
        values: (n,), with mean near 0 and variance near 1.
        groups: the length scale of each feature, (features,).
        fitted_on: so many of the last rows, at most, choose the length scales.
        iterations: of L-BFGS.
    """

    def __init__(
        self,
        features: NDArray[np.float64],
        values: NDArray[np.float64],
        groups: NDArray[np.int64],
        fitted_on: int = 128,
        iterations: int = 30,
    ) -> None:
        found = minimize(
            Posterior(features[-fitted_on:], values[-fitted_on:], groups),
            np.array(_CENTRES),
            jac=True,
            method="L-BFGS-B",
            bounds=_BOUNDS,
            options={"maxiter": iterations},
        )
        self._theta = torch.from_numpy(found.x)
        self._scales = (-self._theta[:-1]).exp()[torch.from_numpy(groups)]
        self._x = torch.from_numpy(features) * self._scales
        covariance = _matern(_squared_distances(self._x, self._x))
        covariance.diagonal().add_(self._theta[-1].exp() + _JITTER)
        self._root = torch.linalg.cholesky(covariance)
        self._weights = torch.cholesky_solve(torch.from_numpy(values)[:, None], self._root)

    @property
    def length_scales(self) -> NDArray[np.float64]:
        """Of each group of features."""
        found: NDArray[np.float64] = self._theta[:-1].exp().numpy()
        return found

    @property
    def noise(self) -> float:
        """Variance of what equal configurations differ by."""
        return float(self._theta[-1].exp())

    def predict(
        self, features: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation at each point, noise left out: (n, features) -> (n,) twice.

        In single precision, twice as fast.
        """
        x = torch.from_numpy(features).float() * self._scales.float()
        across = _matern(_squared_distances(self._x.float(), x))
        explained = torch.linalg.solve_triangular(self._root.float(), across, upper=False)
        variance = (1.0 - explained.square_().sum(0)).clamp_min_(0.0)
        return (self._weights.T.float() @ across)[0].numpy(), variance.sqrt_().numpy()

    def draw(
        self, features: NDArray[np.float64], count: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Functions that fit what was seen, noise left out: (n, features) -> (count, n)."""
        x = torch.from_numpy(features) * self._scales
        across = _matern(_squared_distances(self._x, x))
        explained = torch.linalg.solve_triangular(self._root, across, upper=False)
        covariance = _matern(_squared_distances(x, x)).addmm_(explained.T, explained, alpha=-1)
        covariance.diagonal().add_(_JITTER)
        root = torch.linalg.cholesky(covariance)
        normal = torch.from_numpy(rng.standard_normal((count, len(x))))
        mean = (self._weights.T @ across)[0]
        drawn: NDArray[np.float64] = (mean + normal @ root.T).numpy()
        return drawn

    def held_out(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean at k points for each row, as if that row had not been seen.

        Rasmussen & Williams 2006, section 5.4.2; the length scales are those of all rows.

        Args:
            features: (n, k, features), n as many as it was fitted to.

        Returns:
            (n, k).
        """
        inverse = torch.cholesky_inverse(self._root)
        # Of all rows for the one held out, whose own is 0.
        weights = self._weights - inverse * (self._weights[:, 0] / inverse.diagonal())
        found = [
            _matern(_squared_distances(points, self._x)) @ weights[:, row]
            for row, points in enumerate(torch.from_numpy(features) * self._scales)
        ]
        return torch.stack(found).numpy()


class Posterior:
    """What is minimised: the negative logarithm of the posterior of a kernel's numbers.

    Called with the logarithms of the length scales and, last, of the noise's variance: (groups +
    1,). Returns the value, up to a constant, and its slope (Rasmussen & Williams 2006, eq. 5.9).

    Args:
        features: (n, features).
        values: (n,).
        groups: the length scale of each feature, (features,).
    """

    def __init__(
        self,
        features: NDArray[np.float64],
        values: NDArray[np.float64],
        groups: NDArray[np.int64],
    ) -> None:
        self._y = torch.from_numpy(values)
        self._centres = torch.tensor(_CENTRES, dtype=torch.float64)
        # Squared distances within each group, (groups, n * n): all that length scales act on.
        parts = [torch.from_numpy(features[:, groups == at]) for at in range(len(_CENTRES) - 1)]
        self._apart = torch.stack([_squared_distances(part, part).flatten() for part in parts])

    def __call__(self, numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The value at these logarithms, and the slope there."""
        theta, rows = torch.from_numpy(numbers), len(self._y)
        weights, noise = (-2 * theta[:-1]).exp(), theta[-1].exp()
        squared = (weights @ self._apart).view(rows, rows)
        covariance = _matern(squared)
        covariance.diagonal().add_(noise + _JITTER)
        root = torch.linalg.cholesky(covariance)
        inverse = torch.cholesky_inverse(root)
        fitted = inverse @ self._y
        away = theta - self._centres
        value = (
            self._y @ fitted / 2 + root.diagonal().log().sum() + away.square().sum() / (2 * _SPREAD)
        )
        # By the covariance: half of what the determinant wants, less what the fit wants.
        wanted = inverse.addr_(fitted, fitted, alpha=-1).div_(2)
        slope = away / _SPREAD
        slope[:-1] += weights * (self._apart @ (wanted * _matern_slope(squared)).flatten())
        slope[-1] += noise * wanted.trace()
        return float(value), slope.numpy()


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Of every row of one to every row of the other, (len(a), len(b))."""
    squared = torch.addmm(a.square().sum(1)[:, None] + b.square().sum(1), a, b.T, alpha=-2)
    return squared.clamp_min_(0.0)  # rounding may leave twins below


def _matern(squared: Tensor) -> Tensor:
    """The kernel at squared distances in length scales."""
    distance = (5 * squared).sqrt_()
    return (5 / 3 * squared).add_(distance).add_(1).mul_(distance.neg_().exp_())


def _matern_slope(squared: Tensor) -> Tensor:
    """Its slope by the logarithm of a length scale, but for that scale's share of the distance."""
    distance = (5 * squared).sqrt_()
    return (distance + 1).mul_(distance.neg().exp_()).mul_(5 / 3)
