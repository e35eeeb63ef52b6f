"""What a network's outputs are judged by: the training loss and the metrics of a task."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from optimizers.errors import InvalidProblem

Block = tuple[Tensor, Tensor]
"""Outputs (K, outputs, rows) and targets (rows,) of some rows."""


class Objective(Protocol):
    """A task's training loss and metrics."""

    def check(self, targets: Tensor, outputs: int) -> None:
        """Whether a network with so many outputs can be judged by these targets.

        Raises:
            InvalidProblem: it cannot.
        """

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of every trial: (K, outputs, batch) and (K, batch) -> (K,)."""

    def slope(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and its derivative by the outputs, (K, outputs, batch)."""

    def metrics(self, blocks: Iterable[Block]) -> dict[str, Tensor]:
        """Metrics over all blocks, each (K,); ``loss`` is among them."""


class CrossEntropy:
    """Classification: ``log_loss`` (natural logarithm) and ``accuracy``.

    Args:
        label_smoothing: share of the wanted probability spread evenly over all classes, in
            training alone (Szegedy et al. 2015, arXiv:1512.00567), in [0, 1).
        class_weights: what a row of each class counts in training, metrics left as they are. The
            loss is the mean of the weighted losses, as in scikit-learn, and not divided by the
            batch's weights, as in `torch.nn.CrossEntropyLoss`: with single samples the weights
            would cancel out.
    """

    def __init__(
        self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None
    ) -> None:
        if not 0 <= label_smoothing < 1:
            allowed = "a number at least 0 and below 1"
            raise InvalidProblem("label_smoothing", label_smoothing, allowed)
        for weight in class_weights or ():
            if not (isfinite(weight) and weight > 0):
                raise InvalidProblem("class_weights", weight, "finite numbers above 0")
        self.label_smoothing = label_smoothing
        self.class_weights = (
            None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)
        )

    def check(self, targets: Tensor, outputs: int) -> None:
        """Targets must be numbers of classes, one output a class."""
        if targets.dtype != torch.int64:
            raise InvalidProblem("targets", targets.dtype, "torch.int64 class numbers")
        for target in (int(targets.min()), int(targets.max())):
            if not 0 <= target < outputs:
                raise InvalidProblem("targets", target, f"class numbers from 0 to {outputs - 1}")
        if self.class_weights is not None and len(self.class_weights) != outputs:
            found = f"{len(self.class_weights)} weights"
            raise InvalidProblem("class_weights", found, f"one for each of {outputs} classes")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of every trial, (K,)."""
        smoothing = self.label_smoothing
        weights = None if self.class_weights is None else self.class_weights.to(outputs)
        losses = F.cross_entropy(
            outputs, targets, weights, reduction="none", label_smoothing=smoothing
        )
        return losses.mean(1)

    def slope(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy, (K,), and (softmax - wanted probability) / batch."""
        if self.class_weights is not None:
            return self._weighted_slope(outputs, targets, self.class_weights.to(outputs))
        classes, batch = outputs.shape[1:]
        spread = self.label_smoothing / classes
        log_share = torch.log_softmax(outputs, 1)
        right = targets.unsqueeze(1)  # (K, 1, batch)
        loss = log_share.gather(1, right).mean((1, 2)).mul_(self.label_smoothing - 1)
        if spread:
            loss.sub_(log_share.sum((1, 2)), alpha=spread / batch)
        slope = log_share.exp_().sub_(spread)
        slope.scatter_add_(1, right, slope.new_full((), spread * classes - 1).expand(right.shape))
        return loss, slope.div_(batch)

    def _weighted_slope(
        self, outputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As `slope`, each class's wanted probability times its weight."""
        classes, batch = outputs.shape[1:]
        wanted = torch.full_like(outputs, self.label_smoothing / classes)
        right = targets.unsqueeze(1)  # (K, 1, batch)
        wanted.scatter_add_(
            1, right, wanted.new_full((), 1 - self.label_smoothing).expand(right.shape)
        )
        wanted *= weights.unsqueeze(1)
        log_share = torch.log_softmax(outputs, 1)
        loss = (log_share * wanted).sum((1, 2)).div_(-batch)
        slope = log_share.exp_().mul_(wanted.sum(1, keepdim=True)).sub_(wanted)
        return loss, slope.div_(batch)

    def metrics(self, blocks: Iterable[Block]) -> dict[str, Tensor]:
        """Mean cross-entropy and share of right answers, each (K,)."""
        total = hits = torch.zeros((), dtype=torch.float64)  # joins any device
        rows = 0
        for outputs, targets in blocks:
            wanted = targets.expand(len(outputs), -1)
            total = total + F.cross_entropy(outputs, wanted, reduction="none").double().sum(1)
            answers = outputs.max(1).indices  # the first of equals, as argmax, six times as fast
            hits = hits + (answers == targets).double().sum(1)
            rows += len(targets)
        mean = total / rows
        return {"loss": mean, "log_loss": mean, "accuracy": hits / rows}


class SquaredError:
    """Regression on standardised targets: ``rmse``, ``mae`` (in the target's unit) and ``r2``.

    Args:
        scale: what a difference of 1 in the standardised target is worth.
    """

    def __init__(self, scale: float = 1.0) -> None:
        if not 0 < scale < float("inf"):
            raise InvalidProblem("scale", scale, "a finite number above 0")
        self.scale = scale

    def check(self, targets: Tensor, outputs: int) -> None:
        """Targets must be floating, and the network must have one output."""
        if not targets.is_floating_point():
            raise InvalidProblem("targets", targets.dtype, "floating numbers")
        if outputs != 1:
            raise InvalidProblem("outputs", outputs, "1 for regression")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of every trial, (K,)."""
        return (outputs.squeeze(1) - targets).square().mean(1)

    def slope(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared error, (K,), and 2 (output - target) / batch."""
        error = outputs - targets.unsqueeze(1)
        loss = error.square().mean((1, 2))
        return loss, error.mul_(2 / outputs.shape[2])

    def metrics(self, blocks: Iterable[Block]) -> dict[str, Tensor]:
        """Root mean square and mean absolute error, and explained variance, each (K,)."""
        errors: list[Tensor] = []
        wanted: list[Tensor] = []
        for outputs, targets in blocks:
            errors.append((outputs.squeeze(1) - targets).double())
            wanted.append(targets.double())
        error, target = torch.cat(errors, 1), torch.cat(wanted)
        loss = error.square().mean(1)
        variance = target.var(correction=0).clamp(min=torch.finfo(torch.float64).tiny)
        return {
            "loss": loss,
            "rmse": loss.sqrt() * self.scale,
            "mae": error.abs().mean(1) * self.scale,
            "r2": 1 - loss / variance,
        }
