"""Small convolutional networks for small images, stacked."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from optimizers.errors import InvalidProblem, UnknownName, whole_number
from optimizers.models import initial
from optimizers.models.linear_head import LinearHead
from optimizers.models.mlp import ACTIVATIONS
from optimizers.models.patches import patches
from optimizers.objectives import Objective
from optimizers.problem import Examples, Weights


class CNN(LinearHead):
    """3 x 3 convolutions, each with an activation and 2 x 2 max pooling; then a linear layer.

    A convolution is one batched matrix product over the pixels' surroundings, channels first:
    (K, channels, batch, height, width). A product gives a trial the same bits in any stack, which
    grouped convolutions do not promise.

    Args:
        image: channels, height and width of the inputs.
        outputs: number of classes, or 1 for regression.
        objective: the loss and the metrics.
        channels: what each convolution makes; the image's sides halve after each, rounded down.
        activation: relu, tanh or gelu.
        dropout: share of the linear layer's inputs set to zero in training, in [0, 1).
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        objective: Objective,
        channels: Sequence[int] = (8, 16),
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise UnknownName("activation", activation, ACTIVATIONS)
        if len(image) != 3:
            raise InvalidProblem("image", image, "channels, height and width")
        for field, size in (
            *(("image", size) for size in image),
            *(("channels", size) for size in channels),
        ):
            whole_number(field, size, least=1)
        least = 2 ** len(channels)
        if min(image[1:]) < least:
            raise InvalidProblem(
                "image", tuple(image), f"at least {least} x {least} for {len(channels)} poolings"
            )
        self.image = tuple(image)
        self.activation = ACTIVATIONS[activation]
        self.convolutions = tuple(pairwise((image[0], *channels)))
        pixels = (image[1] // least) * (image[2] // least)
        super().__init__((image[0], *channels)[-1] * pixels, outputs, objective, dropout)

    def check(self, examples: Examples) -> None:
        """Inputs must be images of the given size, in floating numbers; targets must fit."""
        shape, wanted = tuple(examples.inputs.shape), ", ".join(map(str, self.image))
        if shape[1:] != self.image:
            raise InvalidProblem("inputs", shape, f"of shape (rows, {wanted})")
        if not examples.inputs.is_floating_point():
            raise InvalidProblem("inputs", examples.inputs.dtype, "floating numbers")
        super().check(examples)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Weight (out, in, 3, 3) and bias (out,) as in `torch.nn.Conv2d`, then the linear layer."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (channels_in, channels_out) in enumerate(self.convolutions):
            shapes[f"{layer}.weight"] = (channels_out, channels_in, 3, 3)
            shapes[f"{layer}.bias"] = (channels_out,)
        return shapes | super().shapes

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """The numbers that torch.nn's layers would draw, one after another."""
        weights: dict[str, Tensor] = {}
        for layer, (channels_in, channels_out) in enumerate(self.convolutions):
            weight, bias = initial.affine((channels_out, channels_in, 3, 3), generator)
            weights[f"{layer}.weight"], weights[f"{layer}.bias"] = weight, bias
        return weights | super().initial(generator)

    def features(self, weights: Weights, inputs: Tensor) -> Tensor:
        """(K, batch, *image) -> (K, width, batch)."""
        x = inputs.transpose(1, 2)  # (K, channels, batch, height, width)
        for layer in range(len(self.convolutions)):
            pixels = x.shape[2:]
            columns = patches(x).flatten(4).flatten(1, 3)  # (K, in * 9, batch * height * width)
            kernels = weights[f"{layer}.weight"].flatten(2)  # (K, out, in * 9)
            bias = weights[f"{layer}.bias"].unsqueeze(2)
            x = self.activation.forward(torch.baddbmm(bias, kernels, columns))
            x = F.max_pool2d(x.view(-1, *pixels), 2)  # (K * out, batch, height / 2, width / 2)
            x = x.view(len(inputs), -1, *x.shape[1:])
        return x.permute(0, 1, 3, 4, 2).flatten(1, 3)

    def row_numbers(self, inputs: Tensor) -> int:
        """For each pixel: its surroundings in all channels, or what the convolution makes of it."""
        _, height, width = self.image
        return max(
            (
                max(9 * channels_in, channels_out) * (height >> layer) * (width >> layer)
                for layer, (channels_in, channels_out) in enumerate(self.convolutions)
            ),
            default=inputs[0].numel(),
        )
