"""Rules that probe or wrap: whole trainings equal a plain PyTorch loop, as their papers print it.

Second witness, on the same gradients: pytorch_optimizer.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import pytest
import pytorch_optimizer
import torch
from torch import Tensor, nn

from optimizers.configuration import Batch, Configuration
from optimizers.layout import Layout
from optimizers.models.mlp import MLP
from optimizers.objectives import CrossEntropy
from optimizers.registry import RULES
from optimizers.rules.curvature import direction
from optimizers.training import train
from tests.optimizers.drive import arrive, spread
from tests.optimizers.peer import batches, digits, network

H = Mapping[str, float]
Step = Callable[[Callable[[], Tensor]], None]
"""One step of a plain loop, given the batch's loss."""

WIDTHS = (64, 16, 10)


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """All numbers of some tensors in a row."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def loss_of(net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy."""
    return nn.functional.cross_entropy(net(inputs), targets)


def sam(net: nn.Module, h: H) -> Step:
    """Foret et al. 2020, algorithm 1, around torch's momentum."""
    parameters = list(net.parameters())
    base = torch.optim.SGD(parameters, h["learning_rate"], h["momentum"])

    def step(loss: Callable[[], Tensor]) -> None:
        gradients = torch.autograd.grad(loss(), parameters)
        before = [p.detach().clone() for p in parameters]
        norm = flat(gradients).norm()
        with torch.no_grad():
            for p, g in zip(parameters, gradients, strict=True):
                p.add_(h["rho"] * g / norm)
        base.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for p, old in zip(parameters, before, strict=True):
                p.copy_(old)
        base.step()

    return step


def lookahead(net: nn.Module, h: H) -> Step:
    """Zhang et al. 2019, algorithm 1, around torch's AdamW."""
    fast = list(net.parameters())
    slow = [p.detach().clone() for p in fast]
    betas = h["beta1"], h["beta2"]
    base = torch.optim.AdamW(fast, h["learning_rate"], betas, h["epsilon"], h["weight_decay"])
    taken = 0

    def step(loss: Callable[[], Tensor]) -> None:
        nonlocal taken
        base.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        base.step()
        taken += 1
        if taken % h["period"] == 0:
            with torch.no_grad():
                for phi, theta in zip(slow, fast, strict=True):
                    phi.add_(h["alpha"] * (theta - phi))
                    theta.copy_(phi)

    return step


def sophia(net: nn.Module, h: H) -> Step:
    """Liu et al. 2023, algorithms 1 and 3, with k = 10."""
    parameters = list(net.parameters())
    numbers = sum(p.numel() for p in parameters)
    m = hessian = torch.zeros(numbers, dtype=torch.float64)
    taken = 0

    def step(loss: Callable[[], Tensor]) -> None:
        nonlocal m, hessian, taken
        taken += 1
        gradients = torch.autograd.grad(loss(), parameters, create_graph=True)
        g = torch.cat([one.flatten() for one in gradients])
        m = h["beta1"] * m + (1 - h["beta1"]) * g.detach()
        if taken % 10 == 1:
            u = torch.randn(numbers, generator=torch.Generator().manual_seed(taken)).double()
            product = flat(torch.autograd.grad(g @ u, parameters))
            hessian = h["beta2"] * hessian + (1 - h["beta2"]) * u * product
        update = (m / (h["gamma"] * hessian).clamp(min=h["epsilon"])).clamp(-1, 1)
        with torch.no_grad():
            theta = flat(parameters)
            theta = theta - h["learning_rate"] * h["weight_decay"] * theta
            theta = theta - h["learning_rate"] * update
            nn.utils.vector_to_parameters(theta, parameters)

    return step


LOOPS = {"sam": sam, "lookahead": lookahead, "sophia": sophia}


@pytest.mark.parametrize(
    ("batch", "rows", "epochs"),
    [("full", 100, 25), ("single", 6, 5), (64, 150, 8)],
    ids=["full", "single", "64 with a ragged end"],
)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("name", LOOPS)
def test_whole_trainings_are_a_plain_loops(
    name: str, activation: str, batch: Batch, rows: int, epochs: int
) -> None:
    training, validation = digits(slice(0, rows)), digits(slice(1000, 1100))
    trials = [Configuration(name, h, batch=batch) for h in spread(RULES[name], 4)]
    seeds = [3, 4, 3, 4]
    # Neighbours with other rules: a probe sees its own rows alone.
    others = [Configuration(other, batch=batch) for other in ("adamw", "sgd")]
    outcomes = train(
        MLP(64, 10, CrossEntropy(), WIDTHS[1:-1], activation),
        training,
        validation,
        trials + others,
        epochs=epochs,
        seeds=[*seeds, 0, 1],
        dtype=torch.float64,
    )
    size = trials[0].batch_size(rows)
    for trial, seed, outcome in zip(trials, seeds, outcomes, strict=False):
        net = network(WIDTHS, activation, seed).double()
        step = LOOPS[name](net, trial.hyperparameters)
        for epoch, loss in zip(
            batches(seed, rows, size, epochs), outcome.metrics["loss"], strict=True
        ):
            for chosen in epoch:
                step(partial(loss_of, net, training.inputs[chosen], training.targets[chosen]))
            with torch.no_grad():
                wanted = loss_of(net, validation.inputs, validation.targets)
            assert loss == pytest.approx(wanted.item(), rel=1e-11)


NUMBERS, TRIALS, STEPS = 23, 4, 40


class Bowl:
    """A quadratic with noise in its gradient, and what rules do on it."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        root = torch.randn(NUMBERS, NUMBERS, generator=generator, dtype=torch.float64)
        self.hessian = root @ root.T / NUMBERS
        self.noise = torch.randn(STEPS, NUMBERS, generator=generator, dtype=torch.float64)
        self.start = torch.randn(TRIALS, NUMBERS, generator=generator, dtype=torch.float64)

    def gradient(self, step: int, weights: Tensor) -> Tensor:
        """At (k, P) or (P,) weights."""
        return weights @ self.hessian + 0.1 * self.noise[step]

    def feed(self, step: int, p: nn.Parameter) -> float:
        """Leave the gradient where torch's optimizers look for it."""
        p.grad = self.gradient(step, p.detach())
        return 0.0

    def arrive(self, name: str, trials: list[dict[str, float]]) -> Tensor:
        """Where a stacked rule arrives."""
        return arrive(RULES[name], trials, self.start, self.gradient, STEPS)[0]


def test_sam_is_pytorch_optimizers() -> None:
    bowl, trials = Bowl(), spread(RULES["sam"], TRIALS)
    found = bowl.arrive("sam", trials)
    for row, h in enumerate(trials):
        p = nn.Parameter(bowl.start[row].clone())
        base = partial(torch.optim.SGD, lr=h["learning_rate"], momentum=h["momentum"])
        optimizer = pytorch_optimizer.SAM([p], base, rho=h["rho"])  # type: ignore[arg-type]
        for step in range(STEPS):
            feed = partial(bowl.feed, step, p)
            feed()
            optimizer.step(feed)
        # It keeps the gradient's norm in single precision, whatever the weights are.
        assert torch.allclose(found[row], p, rtol=0, atol=1e-8)


def test_lookahead_is_pytorch_optimizers() -> None:
    bowl, trials = Bowl(), spread(RULES["lookahead"], TRIALS)
    found = bowl.arrive("lookahead", trials)
    for row, h in enumerate(trials):
        p = nn.Parameter(bowl.start[row].clone())
        betas = h["beta1"], h["beta2"]
        base = torch.optim.AdamW([p], h["learning_rate"], betas, h["epsilon"], h["weight_decay"])
        optimizer = pytorch_optimizer.Lookahead(base, k=int(h["period"]), alpha=h["alpha"])
        for step in range(STEPS):
            bowl.feed(step, p)
            optimizer.step()
        assert torch.allclose(found[row], p, rtol=1e-12, atol=1e-13)


def test_sophia_is_pytorch_optimizers() -> None:
    """Its steps are clip(m / h, p): the paper's, with p = gamma and rates divided by gamma."""
    bowl, trials = Bowl(), spread(RULES["sophia"], TRIALS)
    found = bowl.arrive("sophia", trials)
    for row, h in enumerate(trials):
        p = nn.Parameter(bowl.start[row].clone())
        optimizer = pytorch_optimizer.SophiaH(
            [p],
            h["learning_rate"] / h["gamma"],
            (h["beta1"], h["beta2"]),
            weight_decay=h["weight_decay"] * h["gamma"],
            p=h["gamma"],
            eps=h["epsilon"] / h["gamma"],
        )
        for step in range(STEPS):
            bowl.feed(step, p)
            u = direction(step + 1, bowl.start)
            # It takes an estimate in every tenth step, counted from the first.
            optimizer.step(hessian=[u * (bowl.hessian @ u)] if step % 10 == 0 else None)
        assert torch.allclose(found[row], p, rtol=1e-12, atol=1e-13)


def test_lookahead_that_follows_all_the_way_is_adamw() -> None:
    bowl, trials = Bowl(), spread(RULES["adamw"], TRIALS)
    ahead = [{**h, "alpha": 1.0, "period": 1 + trial} for trial, h in enumerate(trials)]
    assert torch.equal(bowl.arrive("lookahead", ahead), bowl.arrive("adamw", trials))


def test_lookahead_before_its_first_meeting_is_adamw() -> None:
    bowl, trials = Bowl(), spread(RULES["adamw"], TRIALS)
    ahead = [{**h, "alpha": 0.5, "period": STEPS + 1} for h in trials]
    assert torch.equal(bowl.arrive("lookahead", ahead), bowl.arrive("adamw", trials))


def test_sam_that_looks_nowhere_is_momentum() -> None:
    bowl, trials = Bowl(), spread(RULES["momentum"], TRIALS)
    still = [{**h, "rho": 0.0} for h in trials]
    assert torch.equal(bowl.arrive("sam", still), bowl.arrive("momentum", trials))


def test_directions_depend_on_the_step_alone() -> None:
    short, long = torch.zeros(2, 11), torch.zeros(5, 11)
    assert torch.equal(direction(1, short), direction(1, long))
    assert not torch.equal(direction(1, short), direction(11, short))
    assert torch.equal(direction(1, short).double(), direction(1, short.double()))
    layout = Layout({"vector": (11,)})
    assert layout.size == len(direction(1, short))
