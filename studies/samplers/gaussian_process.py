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
        self._x, self._y = torch.from_numpy(features), torch.from_numpy(values)
        self._groups = torch.from_numpy(groups)
        recent = self._x[-fitted_on:], self._y[-fitted_on:]

        def loss(numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            theta = torch.tensor(numbers, requires_grad=True)
            value = self._negative_log_posterior(theta, *recent)
            (slope,) = torch.autograd.grad(value, theta)
            return float(value.detach()), slope.numpy()

        found = minimize(
            loss,
            np.array(_CENTRES),
            jac=True,
            method="L-BFGS-B",
            bounds=_BOUNDS,
            options={"maxiter": iterations},
        )
        self._theta = torch.from_numpy(found.x)
        self._root = torch.linalg.cholesky(self._covariance(self._theta, self._x))
        self._weights = torch.cholesky_solve(self._y[:, None], self._root)

    @property
    def length_scales(self) -> NDArray[np.float64]:
        """Of each group of features."""
        found: NDArray[np.float64] = self._theta[:-1].exp().numpy()
        return found

    @property
    def noise(self) -> float:
        """Variance of what equal configurations differ by."""
        return float(self._theta[-1].exp())

    def draw(
        self, features: NDArray[np.float64], count: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Functions that fit what was seen, noise left out: (n, features) -> (count, n)."""
        x = torch.from_numpy(features)
        across = self._kernel(self._theta, self._x, x)
        explained = torch.linalg.solve_triangular(self._root, across, upper=False)
        covariance = self._kernel(self._theta, x, x) - explained.T @ explained
        root = torch.linalg.cholesky(covariance + _JITTER * torch.eye(len(x), dtype=x.dtype))
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
            self._kernel(self._theta, torch.from_numpy(points), self._x) @ weights[:, row]
            for row, points in enumerate(features)
        ]
        return torch.stack(found).numpy()

    def _negative_log_posterior(self, theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
        root = torch.linalg.cholesky(self._covariance(theta, x))
        fit = y @ torch.cholesky_solve(y[:, None], root)[:, 0]
        away = theta - theta.new_tensor(_CENTRES)
        prior = away.square().sum() / (2 * _SPREAD)
        loss: Tensor = fit / 2 + root.diagonal().log().sum() + prior
        return loss

    def _covariance(self, theta: Tensor, x: Tensor) -> Tensor:
        noise = (theta[-1].exp() + _JITTER) * torch.eye(len(x), dtype=x.dtype)
        return self._kernel(theta, x, x) + noise

    def _kernel(self, theta: Tensor, a: Tensor, b: Tensor) -> Tensor:
        scale = (-theta[:-1]).exp()[self._groups]
        a, b = a * scale, b * scale
        squared = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
        distance = (5 * squared.clamp_min(1e-12)).sqrt()
        kernel: Tensor = (1 + distance + distance.square() / 3) * (-distance).exp()
        return kernel
