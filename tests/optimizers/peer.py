"""The same training in plain PyTorch: torch.nn, torch.optim and torch.optim.lr_scheduler."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.func import functional_call

from optimizers.configuration import Configuration
from optimizers.problem import Examples
from tests.optimizers.schedulers import scheduler, warm_steps, watcher

Build = Callable[[Iterable[Tensor], Mapping[str, float]], torch.optim.Optimizer]
"""``build(parameters, h)``: h holds a rule's hyperparameters and ``total_steps``."""

Memory = Mapping[str, Tensor]
"""What a torch optimizer remembers of one parameter."""


@dataclass(frozen=True)
class Oracle:
    """A rule's class in torch.optim, and what of its memory is what the rule remembers.

    Attributes:
        build: makes one.
        state: the class's name for each of the rule's buffers, or how to compute it.
        judged: the class's name for the weights to judge, where they are not the trained ones.
    """

    build: Build
    state: Mapping[str, str | Callable[[Memory], Tensor]]
    judged: str | None = None

    def remembered(self, name: str, memory: Memory) -> Tensor:
        """The rule's buffer of that name for one parameter."""
        theirs = self.state[name]
        return memory[theirs] if isinstance(theirs, str) else theirs(memory)


@contextmanager
def _precision_of(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """torch.optim keeps scalars of its own in the default precision: here in the weights'."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(optimizer.param_groups[0]["params"][0].dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class ExactNAdam(torch.optim.NAdam):
    """NAdam whose running product of momenta is as precise as its weights."""

    def step(self, closure: Any = None) -> Any:
        """One step."""
        with _precision_of(self):
            return super().step(closure)


class ExactASGD(torch.optim.ASGD):
    """ASGD whose rate is as precise as its weights, and follows the scheduler without delay."""

    def step(self, closure: Any = None) -> Any:
        """One step."""
        for group in self.param_groups:
            rate, decay = group["lr"], group["lambd"]
            for memory in (self.state[parameter] for parameter in group["params"]):
                if memory:
                    done = memory["step"].item()
                    memory["eta"].fill_(rate / (1 + decay * rate * done) ** group["alpha"])
        with _precision_of(self):
            return super().step(closure)


def _rmsprop(p: Iterable[Tensor], h: Mapping[str, float], *, centered: bool) -> torch.optim.RMSprop:
    """RMSprop with its momentum buffer, which torch leaves out at 0."""
    return torch.optim.RMSprop(
        p,
        h["learning_rate"],
        h["alpha"],
        h["epsilon"],
        momentum=max(h["momentum"], 1e-300),
        centered=centered,
        foreach=False,
    )


def _newton_schulz(
    matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """torch.optim.Muon's iteration in the precision of the matrix, which torch does in bfloat16."""
    a, b, c = coefficients
    x: Tensor = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


class MuonWithAdamW(torch.optim.Optimizer):
    """torch's Muon for matrices, kernels as matrices too, and torch's AdamW for the rest."""

    def __init__(self, parameters: Iterable[Tensor], h: Mapping[str, float]) -> None:
        super().__init__(parameters, {"lr": h["learning_rate"]})
        every = self.param_groups[0]["params"]
        rest = [p for p in every if p.ndim < 2]
        self._matrices = {p: nn.Parameter(p.detach().flatten(1)) for p in every if p.ndim >= 2}
        self._muon = torch.optim.Muon(
            self._matrices.values(),
            weight_decay=h["weight_decay"],
            momentum=h["momentum"],
            eps=h["epsilon"],
        )
        self._adamw = torch.optim.AdamW(
            rest,
            betas=(h["fallback_beta1"], h["fallback_beta2"]),
            eps=h["fallback_epsilon"],
            weight_decay=h["weight_decay"],
            foreach=False,
        )
        self._share = h["fallback_rate"]

    def step(self, closure: Any = None) -> Any:
        """One step of both, at the rate that a scheduler left."""
        rate = self.param_groups[0]["lr"]
        self._muon.param_groups[0]["lr"] = rate
        self._adamw.param_groups[0]["lr"] = rate * self._share
        for parameter, matrix in self._matrices.items():
            matrix.grad = parameter.grad.flatten(1)
        with patch("torch.optim._muon._zeropower_via_newtonschulz", _newton_schulz):
            self._muon.step()  # type: ignore[no-untyped-call]
        self._adamw.step()
        self.state.update(self._adamw.state)
        self.state.update({p: self._muon.state[matrix] for p, matrix in self._matrices.items()})


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
        lambda p, h: _rmsprop(p, h, centered=False),
        {"square": "square_avg", "velocity": "momentum_buffer"},
    ),
    "rmsprop_centered": Oracle(
        lambda p, h: _rmsprop(p, h, centered=True),
        {
            "mean": "grad_avg",
            "variance": lambda memory: memory["square_avg"] - memory["grad_avg"].square(),
            "velocity": "momentum_buffer",
        },
    ),
    "adadelta": Oracle(
        lambda p, h: torch.optim.Adadelta(
            p, h["learning_rate"], h["rho"], h["epsilon"], foreach=False
        ),
        {"square": "square_avg", "change": "acc_delta"},
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
    "amsgrad": Oracle(
        lambda p, h: torch.optim.Adam(
            p,
            h["learning_rate"],
            (h["beta1"], h["beta2"]),
            h["epsilon"],
            amsgrad=True,
            foreach=False,
        ),
        {"mean": "exp_avg", "square": "exp_avg_sq", "largest": "max_exp_avg_sq"},
    ),
    "adamax": Oracle(
        lambda p, h: torch.optim.Adamax(
            p, h["learning_rate"], (h["beta1"], h["beta2"]), h["epsilon"], foreach=False
        ),
        {"mean": "exp_avg", "largest": "exp_inf"},
    ),
    "nadam": Oracle(
        lambda p, h: ExactNAdam(
            p,
            h["learning_rate"],
            (h["beta1"], h["beta2"]),
            h["epsilon"],
            momentum_decay=h["momentum_decay"],
            foreach=False,
        ),
        {"mean": "exp_avg", "square": "exp_avg_sq", "product": "mu_product"},
    ),
    "radam": Oracle(
        lambda p, h: torch.optim.RAdam(
            p, h["learning_rate"], (h["beta1"], h["beta2"]), h["epsilon"], foreach=False
        ),
        {"mean": "exp_avg", "square": "exp_avg_sq"},
    ),
    "asgd": Oracle(
        lambda p, h: ExactASGD(
            p,
            h["learning_rate"],
            h["weight_decay"],
            h["alpha"],
            int(h["begin"] * h["total_steps"] + 1e-9),
            foreach=False,
        ),
        {"average": "ax"},
        judged="ax",
    ),
    "rprop": Oracle(
        lambda p, h: torch.optim.Rprop(
            p,
            h["learning_rate"],
            (h["shrink"], h["grow"]),
            (h["smallest"], h["largest"]),
            foreach=False,
        ),
        {"previous": "prev", "size": "step_size"},
    ),
    "adafactor": Oracle(
        lambda p, h: torch.optim.Adafactor(
            p,
            h["learning_rate"],
            -h["decay_power"],
            (None, h["floor"]),
            h["clip"],
            h["weight_decay"],
            foreach=False,
        ),
        # Matrices keep rows and columns, all else keeps squares.
        {
            "row": lambda memory: memory.get("row_var", torch.empty(0)),
            "column": lambda memory: memory.get("col_var", torch.empty(0)),
            "square": lambda memory: memory.get("variance", torch.empty(0)),
        },
    ),
    "muon": Oracle(
        MuonWithAdamW,
        {
            "momentum": lambda memory: memory.get("momentum_buffer", torch.empty(0)),
            "mean": lambda memory: memory.get("exp_avg", torch.empty(0)),
            "square": lambda memory: memory.get("exp_avg_sq", torch.empty(0)),
        },
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
    oracle = ORACLES[configuration.optimizer]
    optimizer = oracle.build(
        net.parameters(), {**configuration.hyperparameters, "total_steps": total}
    )
    name, h = configuration.schedule, configuration.schedule_hyperparameters
    watching = watcher(name, h, optimizer)
    schedule = scheduler(name, h, optimizer, total)
    loss_of, curves = nn.CrossEntropyLoss(), Curves()
    for epoch in batches(seed, len(training), size, epochs):
        for rows in epoch:
            optimizer.zero_grad()
            loss = loss_of(net(training.inputs[rows]), training.targets[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            curves.step_losses.append(loss.item())
        judged: dict[str, Tensor] = dict(net.named_parameters())
        if oracle.judged is not None:
            judged = {name: optimizer.state[p][oracle.judged] for name, p in judged.items()}
        with torch.no_grad():
            answers = functional_call(net, judged, (validation.inputs,))
            curves.validation.append(loss_of(answers, validation.targets).item())
        if watching is not None and len(curves.step_losses) > warm_steps(h, total):
            watching.step(curves.validation[-1])
    return curves
