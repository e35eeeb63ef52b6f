"""What networks share that make features of their inputs and answer by one linear layer."""

from collections.abc import Iterator

import torch
from torch import Tensor

from optimizers.errors import InvalidProblem, whole_number
from optimizers.models import initial
from optimizers.objectives import Block, Objective
from optimizers.problem import ByAutograd, Examples, Weights

EVALUATION_NUMBERS = 2**18
"""Numbers a trial may hold in one tensor while it is evaluated: bounds memory, fits the caches."""


class LinearHead(ByAutograd):
    """Features of the inputs, dropout, and the weights ``linear.weight`` and ``linear.bias``.

    A network states `features` and `row_numbers`, and adds its weights before the head's. The
    gradient is left to autograd.

    Args:
        width: number of features.
        outputs: number of classes, or 1 for regression.
        objective: the loss and the metrics.
        dropout: share of the features set to zero in training, in [0, 1).
    """

    def __init__(self, width: int, outputs: int, objective: Objective, dropout: float) -> None:
        if not 0 <= dropout < 1:
            raise InvalidProblem("dropout", dropout, "a number at least 0 and below 1")
        self._head = (whole_number("outputs", outputs, least=1), width)
        self.objective = objective
        self.dropout = dropout

    def features(self, weights: Weights, inputs: Tensor) -> Tensor:
        """(K, batch, *shape of an input) -> (K, width, batch)."""
        raise NotImplementedError

    def row_numbers(self, inputs: Tensor) -> int:
        """How many numbers the largest tensor on the way has for each row of the inputs."""
        raise NotImplementedError

    def check(self, examples: Examples) -> None:
        """Targets must fit; networks say what inputs must be."""
        self.objective.check(examples.targets, self._head[0])

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Weight (outputs, width) and bias (outputs,), as in `torch.nn.Linear`."""
        return {"linear.weight": self._head, "linear.bias": self._head[:1]}

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """The numbers that `torch.nn.Linear` would draw."""
        weight, bias = initial.affine(self._head, generator)
        return {"linear.weight": weight, "linear.bias": bias}

    def noise(self, generator: torch.Generator, batch: int) -> tuple[Tensor, ...]:
        """A dropout mask of the features, (width, batch): 0 or 1 / (1 - dropout)."""
        if not self.dropout:
            return ()
        keep = 1 - self.dropout
        mask = torch.empty(self._head[1], batch).bernoulli_(keep, generator=generator)
        return (mask.div_(keep),)

    def outputs(self, weights: Weights, inputs: Tensor, noise: tuple[Tensor, ...] = ()) -> Tensor:
        """What the networks answer: (K, batch, *shape of an input) -> (K, outputs, batch)."""
        features = self.features(weights, inputs)
        for mask in noise:
            features = features * mask
        return torch.baddbmm(
            weights["linear.bias"].unsqueeze(2), weights["linear.weight"], features
        )

    def loss(
        self, weights: Weights, inputs: Tensor, targets: Tensor, noise: tuple[Tensor, ...]
    ) -> Tensor:
        """Mean training loss of every trial on its batch, (K,)."""
        return self.objective.loss(self.outputs(weights, inputs, noise), targets)

    def evaluate(self, weights: Weights, examples: Examples) -> dict[str, Tensor]:
        """Every trial's metrics on all examples, each (K,)."""
        return self.objective.metrics(self._blocks(weights, examples))

    def _blocks(self, weights: Weights, examples: Examples) -> Iterator[Block]:
        trials = len(weights["linear.bias"])
        # Not by the number of trials: products of other sizes may round otherwise.
        size = max(1, EVALUATION_NUMBERS // self.row_numbers(examples.inputs))
        for start in range(0, len(examples), size):
            inputs = examples.inputs[start : start + size]
            answers = self.outputs(weights, inputs.expand(trials, *inputs.shape))
            yield answers, examples.targets[start : start + size]
