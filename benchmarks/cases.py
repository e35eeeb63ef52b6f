"""What the step benchmarks train: networks, as stacks and as plain modules, and their data."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from optimizers.configuration import Batch, Configuration
from optimizers.models.cnn import CNN
from optimizers.models.mlp import MLP
from optimizers.models.text import EmbeddingBag
from optimizers.objectives import CrossEntropy
from optimizers.problem import Problem
from optimizers.registry import CLASSIC

TRAINING, HELD_OUT, CLASSES = 1437, 360, 10
TOKENS, VOCABULARY = 32, 1000


@dataclass(frozen=True)
class Case:
    """What is trained, and how much of it.

    Attributes:
        network: its name, as in the table.
        batch: samples a step.
        trials: of a stack.
        epochs: passes over the data that are measured.
        problem: the network, stacked.
        module: the network, as anyone would write it.
        data: inputs of all rows, training first.
        flops: of a sample's matrix products in one step, multiply and add counted apart.
    """

    network: str
    batch: Batch
    trials: int
    epochs: int
    problem: Callable[[], Problem]
    module: Callable[[], nn.Module]
    data: Callable[[], Tensor]
    flops: int

    @property
    def name(self) -> str:
        """As in the table."""
        return f"{self.network}, batch {self.batch}"

    @property
    def samples(self) -> int:
        """Rows of a batch."""
        return Configuration("sgd", batch=self.batch).batch_size(TRAINING)

    @property
    def steps_an_epoch(self) -> int:
        """Of one trial."""
        return -(-TRAINING // self.samples)

    @property
    def flops_a_step(self) -> int:
        """Of one trial."""
        return self.samples * self.flops

    def configurations(
        self, trials: int, optimizers: tuple[str, ...] = CLASSIC
    ) -> list[Configuration]:
        """Mixed optimizers at their defaults, under a cosine."""
        return [
            Configuration(
                optimizers[i % len(optimizers)], {}, "cosine", {"warmup": 0.1}, self.batch
            )
            for i in range(trials)
        ]

    def tensors(self) -> list[Tensor]:
        """Inputs and targets for training, and those held out."""
        x, y = self.data(), torch.tensor(load_digits(return_X_y=True)[1])
        return [x[:TRAINING], y[:TRAINING], x[TRAINING:], y[TRAINING:]]


@cache
def _digits() -> Tensor:
    inputs, _ = load_digits(return_X_y=True)
    return torch.tensor(inputs / 16, dtype=torch.float32)


@cache
def _images() -> Tensor:
    return _digits().view(-1, 1, 8, 8)


@cache
def _wide() -> Tensor:
    return torch.rand(TRAINING + HELD_OUT, 784, generator=torch.Generator().manual_seed(0))


@cache
def _texts() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, VOCABULARY, (TRAINING + HELD_OUT, TOKENS), generator=generator)


def mlp(features: int, hidden: int, batch: Batch, trials: int, epochs: int) -> Case:
    """A network with one hidden layer, on digits, or on random rows if it has other inputs."""
    return Case(
        f"{features}-{hidden}-{CLASSES}",
        batch,
        trials,
        epochs,
        lambda: MLP(features, CLASSES, CrossEntropy(), [hidden]),
        lambda: nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES)),
        _digits if features == 64 else _wide,
        2 * hidden * (2 * features + 3 * CLASSES),  # no slope for the inputs
    )


CNN_ON_DIGITS = Case(
    "CNN 8-16 channels",
    32,
    32,
    2,
    lambda: CNN((1, 8, 8), CLASSES, CrossEntropy()),
    lambda: nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, CLASSES),
    ),
    _images,
    2 * (2 * 64 * 9 * 8 + 3 * 16 * 9 * 8 * 16 + 3 * 64 * CLASSES),
)

TEXTS = Case(
    f"texts, {VOCABULARY} x 32 embeddings",
    32,
    32,
    2,
    lambda: EmbeddingBag(VOCABULARY, CLASSES, CrossEntropy(), width=32),
    lambda: nn.Sequential(nn.EmbeddingBag(VOCABULARY, 32, padding_idx=0), nn.Linear(32, CLASSES)),
    _texts,
    2 * 3 * 32 * CLASSES,
)

CASES = (
    mlp(64, 32, 32, 64, 4),
    mlp(64, 128, 64, 64, 6),
    mlp(64, 256, 128, 64, 8),
    mlp(784, 256, 256, 16, 4),
    mlp(64, 128, "single", 128, 1),
    CNN_ON_DIGITS,
    TEXTS,
)
