"""Convolutional networks: torch's numbers trial by trial, the same bits in any stack, and digits."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from optimizers.configuration import Batch
from optimizers.errors import InvalidProblem, UnknownName
from optimizers.models.cnn import CNN
from optimizers.models.linear_head import EVALUATION_NUMBERS
from optimizers.models.patches import patches
from optimizers.objectives import CrossEntropy, SquaredError
from optimizers.problem import Examples
from tests.optimizers.alone import (
    TOLERANCES,
    accuracy,
    compare_initial_weights,
    compare_stacks,
    compare_training,
)
from tests.optimizers.peer import ACTIVATIONS, digits

Image = tuple[int, int, int]

CASES: list[tuple[Image, Sequence[int]]] = [
    ((1, 8, 8), (3, 5)),
    ((3, 9, 5), (4, 3)),  # sides that do not halve evenly
    ((2, 3, 2), (5,)),
    ((2, 3, 4), ()),
]
TRIALS, BATCH, CLASSES = 4, 6, 3

every_case = pytest.mark.parametrize(("image", "channels"), CASES, ids=str)


def torchs(image: Image, channels: Sequence[int], activation: str = "relu") -> nn.Sequential:
    """The same network in torch.nn."""
    layers: list[nn.Module] = []
    for channels_in, channels_out in pairwise((image[0], *channels)):
        convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        layers += [convolution, ACTIVATIONS[activation](), nn.MaxPool2d(2)]
    features = nn.Sequential(*layers, nn.Flatten())
    width = features(torch.zeros(1, *image)).shape[1]
    return nn.Sequential(*features, nn.Linear(width, CLASSES))


def images(rows: int, image: Image) -> Examples:
    """Noise, a class each."""
    return Examples(torch.randn(rows, *image), torch.arange(rows) % CLASSES)


@every_case
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_each_trial_is_torchs_network(
    image: Image, channels: Sequence[int], activation: str, dropout: float, dtype: torch.dtype
) -> None:
    problem = CNN(image, CLASSES, CrossEntropy(), channels, activation, dropout)
    inputs = torch.randn(TRIALS, BATCH, *image, dtype=dtype)
    targets = torch.randint(CLASSES, (TRIALS, BATCH))
    build = lambda: torchs(image, channels, activation)  # noqa: E731
    compare_training(problem, build, inputs, targets, dtype)


@every_case
def test_initial_weights_are_torchs_bit_for_bit(image: Image, channels: Sequence[int]) -> None:
    problem = CNN(image, CLASSES, CrossEntropy(), channels)
    compare_initial_weights(problem, lambda: torchs(image, channels))


@pytest.mark.parametrize(("batch", "rows"), [("full", 11), ("single", 5), (8, 19)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_trial_is_the_same_bits_in_any_stack(activation: str, batch: Batch, rows: int) -> None:
    image = (1, 7, 5)
    problem = CNN(image, CLASSES, CrossEntropy(), (3, 5), activation, dropout=0.2)
    compare_stacks(problem, images(rows, image), batch)


@pytest.mark.parametrize("shape", [(2, 1, 2, 3, 4), (2, 2, 1, 1, 3), (1, 2, 1, 2, 1)])
def test_patches_are_those_of_unfold_and_have_both_derivatives(shape: tuple[int, ...]) -> None:
    pixels = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    trials, channels, batch, height, width = shape
    wanted = nn.functional.unfold(pixels.transpose(1, 2).flatten(0, 1), 3, padding=1)
    wanted = wanted.view(trials, batch, channels, 3, 3, height, width)
    assert torch.equal(patches(pixels), wanted.permute(0, 2, 3, 4, 1, 5, 6))
    assert torch.autograd.gradcheck(patches, pixels)
    assert torch.autograd.gradgradcheck(patches, pixels)


def test_evaluation_goes_in_pieces_and_knows_no_dropout() -> None:
    problem = CNN((1, 8, 8), CLASSES, CrossEntropy(), (4,), dropout=0.9)
    rows = 2 * EVALUATION_NUMBERS // problem.row_numbers(torch.zeros(1, 1, 8, 8)) + 3
    examples = images(rows, (1, 8, 8))
    drawn = [problem.initial(torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    weights = {name: torch.stack([one[name] for one in drawn]) for name in problem.shapes}
    answers = problem.outputs(weights, examples.inputs.expand(2, *examples.inputs.shape))
    wanted = problem.objective.metrics([(answers, examples.targets)])
    found = problem.evaluate(weights, examples)
    assert set(found) == set(wanted)
    for name, values in found.items():
        torch.testing.assert_close(values, wanted[name], rtol=1e-6, atol=0.0)


def test_pictures_can_be_regressed() -> None:
    problem = CNN((1, 4, 4), 1, SquaredError(), (2,))
    examples = images(9, (1, 4, 4))
    compare_stacks(
        problem, Examples(examples.inputs, examples.inputs.sum((1, 2, 3))), 4, ["sgd", "adam"]
    )


def test_it_learns_digits() -> None:
    problem = CNN((1, 8, 8), 10, CrossEntropy(), (16, 32))
    training, validation = (
        Examples(part.inputs.view(-1, 1, 8, 8), part.targets)
        for part in (digits(slice(0, None, 2)), digits(slice(1, None, 2)))
    )
    assert accuracy(problem, training, validation, rate=0.01, epochs=6) > 0.93


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"image": (1, 7, 16), "channels": (2, 2, 2)},
            "image must be at least 8 x 8 for 3 poolings. Got (1, 7, 16).",
        ),
        ({"image": (8, 8)}, "image must be channels, height and width. Got (8, 8)."),
        ({"image": (0, 8, 8)}, "image must be a whole number at least 1. Got 0."),
        ({"image": (1, 8.0, 8)}, "image must be a whole number at least 1. Got 8.0."),
        ({"channels": (4, 0)}, "channels must be a whole number at least 1. Got 0."),
        ({"outputs": 0}, "outputs must be a whole number at least 1. Got 0."),
        ({"dropout": 1.0}, "dropout must be a number at least 0 and below 1. Got 1.0."),
        ({"dropout": math.nan}, "dropout must be a number at least 0 and below 1. Got nan."),
    ],
)
def test_a_network_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {"image": (1, 8, 8), "outputs": 2, "objective": CrossEntropy()}
    with pytest.raises(InvalidProblem) as caught:
        CNN(**(usual | change))
    assert str(caught.value) == message


def test_an_unknown_activation_gets_the_nearest_names() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'relu'"):
        CNN((1, 8, 8), 2, CrossEntropy(), activation="relo")


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (
            torch.zeros(4, 8, 8),
            torch.zeros(4, dtype=torch.int64),
            "inputs must be of shape (rows, 1, 8, 8). Got (4, 8, 8).",
        ),
        (
            torch.zeros(4, 1, 8, 9),
            torch.zeros(4, dtype=torch.int64),
            "inputs must be of shape (rows, 1, 8, 8). Got (4, 1, 8, 9).",
        ),
        (
            torch.zeros(4, 1, 8, 8, dtype=torch.uint8),
            torch.zeros(4, dtype=torch.int64),
            "inputs must be floating numbers. Got torch.uint8.",
        ),
        (
            torch.zeros(4, 1, 8, 8),
            torch.tensor([0, 1, 2, 0]),
            "targets must be class numbers from 0 to 1. Got 2.",
        ),
    ],
)
def test_examples_that_do_not_fit_are_refused(
    inputs: torch.Tensor, targets: torch.Tensor, message: str
) -> None:
    problem = CNN((1, 8, 8), 2, CrossEntropy())
    with pytest.raises(InvalidProblem) as caught:
        problem.check(Examples(inputs, targets))
    assert str(caught.value) == message
