"""The noisy quadratic: a bowl of known curvature, seen through noise of known size."""

import math

import torch
from torch import Tensor

from optimizers.errors import InvalidProblem, whole_number
from optimizers.problem import Examples, Weights


class NoisyQuadratic:
    """½ Σ hᵢ (xᵢ - noise·eᵢ)², where e is a normally drawn centre, another in each example.

    The eigenvalues hᵢ fall in equal ratios from 1 to 1 / condition. Gradient descent therefore
    converges at rates below 2, whatever the condition, in a number of steps proportional to it.
    As in Schaul, Zhang & LeCun 2013 (arXiv:1206.1106, section 3) the noise moves the bowl, so
    that the gradient's covariance is noise² H² / batch; in Zhang et al. 2019 (arXiv:1907.04164),
    who study batch sizes on such bowls, it is H / batch.

    Args:
        dimensions: how many eigenvalues there are, at least 2.
        condition: the largest over the smallest of them.
        noise: standard deviation of a centre in each direction.

    Raises:
        InvalidProblem: a number outside its range.
    """

    def __init__(self, dimensions: int, condition: float, noise: float) -> None:
        whole_number("dimensions", dimensions, least=2)
        if not 1 <= condition < math.inf:
            raise InvalidProblem("condition", condition, "a finite number at least 1")
        if not 0 <= noise < math.inf:
            raise InvalidProblem("noise", noise, "a finite number at least 0")
        lowest = -math.log10(condition)
        self.eigenvalues = torch.logspace(0, lowest, dimensions, dtype=torch.float64)
        self.spread = noise

    def examples(self, rows: int, seed: int) -> Examples:
        """Centres e, (rows, dimensions), drawn from the seed; their targets mean nothing."""
        whole_number("rows", rows, least=1)
        generator = torch.Generator().manual_seed(seed)
        centres = torch.randn(rows, len(self.eigenvalues), generator=generator, dtype=torch.float64)
        return Examples(centres, torch.zeros(rows))

    def check(self, examples: Examples) -> None:
        """Rows must be centres."""
        shape, dimensions = tuple(examples.inputs.shape), len(self.eigenvalues)
        if shape[1:] != (dimensions,):
            raise InvalidProblem("inputs", shape, f"of shape (rows, {dimensions})")
        if not examples.inputs.is_floating_point():
            raise InvalidProblem("inputs", examples.inputs.dtype, "floating numbers")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The point alone, (dimensions,)."""
        return {"point": (len(self.eigenvalues),)}

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """A normally drawn point."""
        return {"point": torch.randn(len(self.eigenvalues), generator=generator)}

    def noise(self, generator: torch.Generator, batch: int) -> tuple[Tensor, ...]:
        """Nothing beside the examples is random."""
        return ()

    def loss(
        self, weights: Weights, inputs: Tensor, targets: Tensor, noise: tuple[Tensor, ...]
    ) -> Tensor:
        """The mean over the batch's centres, (K,)."""
        return self._loss(self._away(weights, inputs))

    def gradient(
        self,
        weights: Weights,
        inputs: Tensor,
        targets: Tensor,
        noise: tuple[Tensor, ...],
        out: Weights,
    ) -> Tensor:
        """The loss, and hᵢ times the mean way to the centres."""
        away = self._away(weights, inputs)
        torch.mul(away.mean(1), self.eigenvalues.to(away), out=out["point"])
        return self._loss(away)

    def evaluate(self, weights: Weights, examples: Examples) -> dict[str, Tensor]:
        """What is expected over all centres there could be, not over the examples, each (K,).

        ``loss`` has a floor of ½ noise² Σ hᵢ; ``excess``, ½ Σ hᵢ xᵢ², is what lies above it.
        """
        point = weights["point"].double()
        eigenvalues = self.eigenvalues.to(point)
        excess = (point.square() * eigenvalues / 2).sum(1)
        return {"loss": excess + self.spread**2 * eigenvalues.sum() / 2, "excess": excess}

    def _away(self, weights: Weights, inputs: Tensor) -> Tensor:
        """From every centre of the batch to the trial's point, (K, batch, dimensions)."""
        return weights["point"].unsqueeze(1) - self.spread * inputs

    def _loss(self, away: Tensor) -> Tensor:
        return (away.square() * self.eigenvalues.to(away) / 2).sum(2).mean(1)
