"""The same training in plain PyTorch: torch.nn, torch.optim and torch.optim.lr_scheduler."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.optim import lr_scheduler

from optimizers.configuration import Configuration
from optimizers.problem import Examples

Build = Callable[[Iterable[Tensor], Mapping[str, float]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Oracle:
    """A rule's class in torch.optim, and how that class calls what the rule remembers."""

    build: Build
    state: Mapping[str, str]


ORACLES: dict[str, Oracle] = {
    "sgd": Oracle(lambda p, h: torch.optim.SGD(p, h["learning_rate"], foreach=False), {}),
    "momentum": Oracle(
        lambda p, h: torch.optim.SGD(p, h["learning_rate"], h["momentum"], foreach=False),
        {"velocity": "momentum_buffer"},
    ),
    "nesterov": Oracle(
        lambda p, h: torch.optim.SGD(
            p, h["learning_rate"], h["momentum"], nesterov=True, foreach=False
        ),
        {"velocity": "momentum_buffer"},
    ),
    "adagrad": Oracle(
        lambda p, h: torch.optim.Adagrad(p, h["learning_rate"], eps=h["epsilon"], foreach=False),
        {"total": "sum"},
    ),
    "rmsprop": Oracle(
        lambda p, h: torch.optim.RMSprop(
            p, h["learning_rate"], h["alpha"], h["epsilon"], foreach=False
        ),
        {"square": "square_avg"},
    ),
    "adam": Oracle(
        lambda p, h: torch.optim.Adam(
            p, h["learning_rate"], (h["beta1"], h["beta2"]), h["epsilon"], foreach=False
        ),
        {"mean": "exp_avg", "square": "exp_avg_sq"},
    ),
    "adamw": Oracle(
        lambda p, h: torch.optim.AdamW(
            p,
            h["learning_rate"],
            (h["beta1"], h["beta2"]),
            h["epsilon"],
            h["weight_decay"],
            foreach=False,
        ),
        {"mean": "exp_avg", "square": "exp_avg_sq"},
    ),
}

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def digits(rows: slice, dtype: torch.dtype = torch.float64) -> Examples:
    """Some of scikit-learn's digits, pixels in [0, 1]."""
    inputs, targets = load_digits(return_X_y=True)
    return Examples(torch.tensor(inputs[rows] / 16, dtype=dtype), torch.tensor(targets[rows]))


def network(widths: Sequence[int], activation: str, seed: int) -> nn.Sequential:
    """Linear layers with activations between, as torch initialises them under a seed."""
    layers: list[nn.Module] = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for width_in, width_out in pairwise(widths):
            layers += [nn.Linear(width_in, width_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def scheduler(
    schedule: str, h: Mapping[str, float], optimizer: torch.optim.Optimizer, total: int
) -> lr_scheduler.LRScheduler:
    """torch's own scheduler for one of ours, over so many steps, warm-up included."""
    warm = int(h["warmup"] * total + 1e-9)
    rest, peak = total - warm, optimizer.param_groups[0]["lr"]
    after: lr_scheduler.LRScheduler
    if schedule == "constant":
        after = lr_scheduler.ConstantLR(optimizer, factor=1.0)
    elif schedule == "linear":
        after = lr_scheduler.LinearLR(optimizer, 1.0, h["final"], total_iters=rest)
    elif schedule == "step":
        length = rest // (round(h["drops"]) + 1)  # tests choose numbers that divide
        after = lr_scheduler.StepLR(optimizer, length, h["gamma"])
    elif schedule == "exponential":
        after = lr_scheduler.ExponentialLR(optimizer, h["final"] ** (1 / rest))
    else:
        after = lr_scheduler.CosineAnnealingLR(optimizer, rest, eta_min=h["final"] * peak)
    if not warm:
        return after
    rise = lr_scheduler.LinearLR(optimizer, 1 / warm, 1.0, total_iters=max(warm - 1, 1))
    return lr_scheduler.SequentialLR(optimizer, [rise, after], milestones=[warm])


@dataclass
class Curves:
    """What a plain run measured."""

    step_losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


def batches(seed: int, rows: int, size: int, epochs: int) -> Iterator[list[Tensor]]:
    """Every epoch's batches of row numbers."""
    generator = torch.Generator().manual_seed(seed + 2**32)
    for _ in range(epochs):
        yield list(torch.split(torch.randperm(rows, generator=generator), size))


def train_plainly(
    net: nn.Module,
    training: Examples,
    validation: Examples,
    configuration: Configuration,
    epochs: int,
    seed: int,
) -> Curves:
    """One trial by the book: a loop over batches, mean cross-entropy, one backward a step."""
    net = net.to(training.inputs.dtype)
    size = configuration.batch_size(len(training))
    total = epochs * -(-len(training) // size)
    optimizer = ORACLES[configuration.optimizer].build(
        net.parameters(), configuration.hyperparameters
    )
    schedule = scheduler(
        configuration.schedule, configuration.schedule_hyperparameters, optimizer, total
    )
    loss_of, curves = nn.CrossEntropyLoss(), Curves()
    for epoch in batches(seed, len(training), size, epochs):
        for rows in epoch:
            optimizer.zero_grad()
            loss = loss_of(net(training.inputs[rows]), training.targets[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            curves.step_losses.append(loss.item())
        with torch.no_grad():
            curves.validation.append(loss_of(net(validation.inputs), validation.targets).item())
    return curves
