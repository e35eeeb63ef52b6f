"""What is done to a gradient before its rule sees it: clipping, and the slope of an L2 penalty."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.configuration import Configuration
from optimizers.rule import Probe


@dataclass(frozen=True)
class Shaping:
    """Clipping and L2 of k trials, each with numbers of its own.

    As in a loop of torch: first ``clip_grad_norm_``, then the optimizer's coupled weight decay.

    Attributes:
        limit: the longest gradient, infinity for any: (k, 1); None if no trial has one.
        l2: share of the weights added: (k, 1); None if no trial has one.
    """

    limit: Tensor | None
    l2: Tensor | None

    @classmethod
    def of(cls, trials: Sequence[Configuration], like: Tensor) -> "Shaping":
        """What the trials ask for, on the device and in the precision of ``like``."""
        limits = [math.inf if trial.clip_norm is None else trial.clip_norm for trial in trials]
        shares = [trial.l2 for trial in trials]
        return cls(
            like.new_tensor(limits).unsqueeze(1) if min(limits) < math.inf else None,
            like.new_tensor(shares).unsqueeze(1) if any(shares) else None,
        )

    def kept(self, rows: Sequence[int]) -> "Shaping":
        """The same for these trials alone."""
        return Shaping(*(None if part is None else part[rows] for part in (self.limit, self.l2)))

    def apply(self, weights: Tensor, gradient: Tensor) -> None:
        """Shape the gradient in place; both (k, P)."""
        if self.limit is not None:
            # Of all tensors of a trial together; the constant is torch's.
            norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
            gradient.mul_((self.limit / (norm + 1e-6)).clamp_(max=1))
        if self.l2 is not None:
            gradient.addcmul_(weights, self.l2)

    def probe(self, probe: Probe) -> Probe:
        """The same probe, its gradients shaped and its Hessian that of the penalised loss."""
        return _ShapedProbe(probe, self)


@dataclass(frozen=True)
class _ShapedProbe:
    probe: Probe
    shaping: Shaping

    def gradient(self, weights: Tensor) -> Tensor:
        gradient = self.probe.gradient(weights)
        self.shaping.apply(weights, gradient)
        return gradient

    def hessian_product(self, weights: Tensor, direction: Tensor) -> Tensor:
        product = self.probe.hessian_product(weights, direction)
        l2 = self.shaping.l2
        return product if l2 is None else torch.addcmul(product, direction, l2)
