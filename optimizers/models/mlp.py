"""Fully connected networks, stacked: none, one or several hidden layers."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from optimizers.errors import InvalidProblem, UnknownName, whole_number
from optimizers.models import initial
from optimizers.models.layer_norm import Normalised, normalise, slope_before
from optimizers.objectives import Block, Objective
from optimizers.problem import Examples, Weights


class Activation(NamedTuple):
    """A function of each hidden number, and its derivative's product with a slope.

    ``forward(before)`` works in place where ``backward(slope, before, after)`` needs no
    ``before``, and ``backward`` overwrites the slope: fresh memory costs more than the arithmetic.
    """

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]


_aten = torch.ops.aten

ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(
        torch.relu_,
        lambda slope, _, after: _aten.threshold_backward.grad_input(
            slope, after, 0, grad_input=slope
        ),
    ),
    "tanh": Activation(
        torch.tanh_,
        lambda slope, _, after: _aten.tanh_backward.grad_input(slope, after, grad_input=slope),
    ),
    "gelu": Activation(
        F.gelu,
        lambda slope, before, _: _aten.gelu_backward.grad_input(slope, before, grad_input=slope),
    ),
}

EVALUATION_ROWS = 1024  # rows evaluated at a time: bounds memory, keeps activations in cache


class _Passed(NamedTuple):
    """What one layer saw: before and after its activation, each (K, width, batch)."""

    entered: Tensor
    normalised: Normalised | None
    before: Tensor
    after: Tensor


class MLP:
    """A multi-layer perceptron; with no hidden layer, a linear model.

    Activations are kept features first, (K, features, batch): with narrow outputs (10 classes)
    the batched matrix product is then 3 to 5 times faster than batch first.

    Args:
        inputs: number of features.
        outputs: number of classes, or 1 for regression.
        objective: the loss and the metrics.
        hidden: widths of the hidden layers.
        activation: relu, tanh or gelu.
        dropout: share of hidden activations set to zero in training, in [0, 1).
        norm: whether hidden layers are normalised before their activation.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        objective: Objective,
        hidden: Sequence[int] = (),
        activation: str = "relu",
        dropout: float = 0.0,
        norm: bool = False,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise UnknownName("activation", activation, ACTIVATIONS)
        if not 0 <= dropout < 1:
            raise InvalidProblem("dropout", dropout, "a number at least 0 and below 1")
        for field, width in (
            ("inputs", inputs),
            ("outputs", outputs),
            *(("hidden", width) for width in hidden),
        ):
            whole_number(field, width, least=1)
        self.objective = objective
        self.hidden = tuple(hidden)
        self.activation = ACTIVATIONS[activation]
        self.dropout = dropout
        self.norm = norm
        widths = (inputs, *hidden, outputs)
        self.layers = tuple(pairwise(widths))

    def check(self, examples: Examples) -> None:
        """Rows must have as many features as the first layer has inputs; targets must fit."""
        shape, features = tuple(examples.inputs.shape), self.layers[0][0]
        if shape[1:] != (features,):
            raise InvalidProblem("inputs", shape, f"of shape (rows, {features})")
        if not examples.inputs.is_floating_point():
            raise InvalidProblem("inputs", examples.inputs.dtype, "floating numbers")
        self.objective.check(examples.targets, self.layers[-1][1])

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Weight (out, in) and bias (out,) of every layer, as in `torch.nn.Linear`.

        With normalisation those of `torch.nn.LayerNorm` follow, each (out,).
        """
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (width_in, width_out) in enumerate(self.layers):
            shapes[f"{layer}.weight"] = (width_out, width_in)
            shapes[f"{layer}.bias"] = (width_out,)
            if self._normalises(layer):
                shapes[f"{layer}.norm.weight"] = shapes[f"{layer}.norm.bias"] = (width_out,)
        return shapes

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """The numbers that torch.nn's layers would draw, one after another."""
        weights: dict[str, Tensor] = {}
        for layer, (width_in, width_out) in enumerate(self.layers):
            weight, bias = initial.affine((width_out, width_in), generator)
            weights[f"{layer}.weight"], weights[f"{layer}.bias"] = weight, bias
            if self._normalises(layer):
                weight, bias = initial.norm(width_out)
                weights[f"{layer}.norm.weight"], weights[f"{layer}.norm.bias"] = weight, bias
        return weights

    def noise(self, generator: torch.Generator, batch: int) -> tuple[Tensor, ...]:
        """One dropout mask a hidden layer, (width, batch): 0 or 1 / (1 - dropout)."""
        if not self.dropout:
            return ()
        keep = 1 - self.dropout
        return tuple(
            torch.empty(width, batch).bernoulli_(keep, generator=generator).div_(keep)
            for width in self.hidden
        )

    def outputs(self, weights: Weights, inputs: Tensor, noise: tuple[Tensor, ...] = ()) -> Tensor:
        """What the networks answer: (K, batch, features) -> (K, outputs, batch)."""
        return self._forward(weights, inputs, noise)[1]

    def loss(
        self, weights: Weights, inputs: Tensor, targets: Tensor, noise: tuple[Tensor, ...]
    ) -> Tensor:
        """Mean training loss of every trial on its batch, (K,)."""
        return self.objective.loss(self.outputs(weights, inputs, noise), targets)

    def gradient(
        self,
        weights: Weights,
        inputs: Tensor,
        targets: Tensor,
        noise: tuple[Tensor, ...],
        out: Weights,
    ) -> Tensor:
        """Back-propagation written out: half the kernels of autograd, straight into ``out``."""
        passed, outputs = self._forward(weights, inputs, noise)
        losses, slope = self.objective.slope(outputs, targets)  # slope: (K, width, batch)
        for layer in reversed(range(len(self.layers))):
            x, normalised, before, after = passed.pop()
            if layer < len(self.hidden):
                if noise:
                    slope = slope.mul_(noise[layer])
                slope = self.activation.backward(slope, before, after)
            del before, after  # their memory serves from here on
            if normalised:
                into = out[f"{layer}.norm.weight"], out[f"{layer}.norm.bias"]
                slope = slope_before(slope, normalised, weights[f"{layer}.norm.weight"], *into)
            _slope_of_weights(slope, x, out[f"{layer}.weight"])
            torch.sum(slope, 2, out=out[f"{layer}.bias"])
            if layer:
                slope = _slope_of_inputs(slope, weights[f"{layer}.weight"])
        return losses

    def _normalises(self, layer: int) -> bool:
        return self.norm and layer < len(self.hidden)

    def _forward(
        self, weights: Weights, inputs: Tensor, noise: tuple[Tensor, ...]
    ) -> tuple[list[_Passed], Tensor]:
        """What passed through each layer, and the answer, (K, outputs, batch)."""
        x = inputs.transpose(1, 2)  # (K, features, batch)
        passed = []
        for layer in range(len(self.layers)):
            entered, normalised = x, None
            bias = weights[f"{layer}.bias"].unsqueeze(2)
            before = torch.baddbmm(bias, weights[f"{layer}.weight"], x)
            if self._normalises(layer):
                affine = weights[f"{layer}.norm.weight"], weights[f"{layer}.norm.bias"]
                before, normalised = normalise(before, *affine)
            after = self.activation.forward(before) if layer < len(self.hidden) else before
            passed.append(_Passed(entered, normalised, before, after))
            x = after * noise[layer] if noise and layer < len(self.hidden) else after
        return passed, x

    def evaluate(self, weights: Weights, examples: Examples) -> dict[str, Tensor]:
        """Every trial's metrics on all examples, each (K,)."""
        return self.objective.metrics(self._blocks(weights, examples))

    def _blocks(self, weights: Weights, examples: Examples) -> Iterator[Block]:
        trials = len(weights["0.bias"])
        for start in range(0, len(examples), EVALUATION_ROWS):
            rows = slice(start, start + EVALUATION_ROWS)
            inputs = examples.inputs[rows].expand(trials, -1, -1)
            yield self.outputs(weights, inputs), examples.targets[rows]


# With a batch of one, matrix products are outer products and weighted sums of rows: written as
# such, a step takes half the time.


def _slope_of_weights(slope: Tensor, x: Tensor, out: Tensor) -> None:
    """(K, out, batch) and (K, in, batch) -> (K, out, in)."""
    if slope.shape[2] == 1:
        torch.mul(slope, x.transpose(1, 2), out=out)
    else:
        # Not with out=: into a strided view, bmm would go trial by trial.
        out.copy_(torch.bmm(slope, x.transpose(1, 2)))


def _slope_of_inputs(slope: Tensor, weight: Tensor) -> Tensor:
    """(K, out, batch) and (K, out, in) -> (K, in, batch)."""
    if slope.shape[2] == 1:
        return (weight * slope).sum(1).unsqueeze(2)
    return torch.bmm(weight.transpose(1, 2), slope)
