"""What can be trained stacked: the protocol that a problem fulfils, and the data it trains on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from optimizers.errors import InvalidProblem

Weights = Mapping[str, Tensor]
"""A stack's weights by name, each (K, *shape of one trial)."""


@dataclass(frozen=True)
class Examples:
    """Inputs and targets, row by row.

    Attributes:
        inputs: (rows, *features), finite; whole numbers (int64) stand for tokens.
        targets: (rows,): class numbers (int64) or values (floating, finite).

    Raises:
        InvalidProblem: other shapes, no rows, or numbers that are not finite.
    """

    inputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets) or len(self.inputs) == 0:
            raise InvalidProblem(
                "examples",
                f"{len(self.inputs)} inputs and {len(self.targets)} targets",
                "as many inputs as targets, at least one",
            )
        if self.targets.ndim != 1:
            raise InvalidProblem("targets", tuple(self.targets.shape), "one number a row")
        for name, tensor in (("inputs", self.inputs), ("targets", self.targets)):
            bad = ~torch.isfinite(tensor)
            if bad.any():
                row, value = int(bad.nonzero()[0, 0]), float(tensor[bad][0])
                raise InvalidProblem(name, value, f"finite {tensor.dtype} numbers; see row {row}")

    def __len__(self) -> int:
        return len(self.inputs)

    def first(self, rows: int) -> "Examples":
        """The first rows alone."""
        return Examples(self.inputs[:rows], self.targets[:rows])

    def to(self, device: torch.device, dtype: torch.dtype) -> "Examples":
        """The same examples on a device, floating numbers in ``dtype``."""
        inputs, targets = (
            part.to(device, dtype) if part.is_floating_point() else part.to(device)
            for part in (self.inputs, self.targets)
        )
        return Examples(inputs, targets)


class Problem(Protocol):
    """A model and its loss, written for a stack of K trials at once.

    Nothing that a problem computes may depend on who else is in the stack.
    """

    def check(self, examples: Examples) -> None:
        """Whether it can be trained or judged on these examples.

        Raises:
            InvalidProblem: features or targets that do not fit the model.
        """

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor of ONE trial's weights, by name, in a fixed order."""

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """ONE trial's weights before training, float32, drawn from the generator."""

    def noise(self, generator: torch.Generator, batch: int) -> tuple[Tensor, ...]:
        """What one training step draws at random (dropout masks), for ONE trial; or nothing.

        Trials with the same seed share it, so that they stay comparable.
        """

    def gradient(
        self,
        weights: Weights,
        inputs: Tensor,
        targets: Tensor,
        noise: tuple[Tensor, ...],
        out: Weights,
    ) -> Tensor:
        """Every trial's mean training loss on its batch, and that loss's gradient.

        Args:
            weights: each (K, *shape).
            inputs: (K, batch, *features); may be an expanded view.
            targets: (K, batch); likewise.
            noise: each (K, *shape as drawn); likewise.
            out: where the gradients go, each (K, *shape).

        Returns:
            The losses: (K,).
        """

    def evaluate(self, weights: Weights, examples: Examples) -> dict[str, Tensor]:
        """Every trial's metrics on all examples, each (K,); ``loss`` is among them."""


class ByAutograd:
    """Mix-in for problems that state their loss and leave the gradient to autograd."""

    def loss(
        self, weights: Weights, inputs: Tensor, targets: Tensor, noise: tuple[Tensor, ...]
    ) -> Tensor:
        """Mean training loss of every trial, (K,), differentiable in the weights."""
        raise NotImplementedError

    def gradient(
        self,
        weights: Weights,
        inputs: Tensor,
        targets: Tensor,
        noise: tuple[Tensor, ...],
        out: Weights,
    ) -> Tensor:
        """As `Problem.gradient`.

        Raises:
            InvalidProblem: the loss is not one number a trial.
        """
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in weights.items()}
        losses = self.loss(leaves, inputs, targets, noise)
        # A mean over all trials has the right gradients but for a factor: nobody would notice.
        if losses.shape != inputs.shape[:1]:
            trials = len(inputs)
            raise InvalidProblem(
                "loss", tuple(losses.shape), f"of shape ({trials},): one number a trial"
            )
        found = torch.autograd.grad(losses.sum(), list(leaves.values()))
        for target, gradient in zip(out.values(), found, strict=True):
            target.copy_(gradient)
        return losses.detach()
