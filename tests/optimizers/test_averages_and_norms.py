"""Rules of averages, distances and norms walk the path of public libraries; what is judged, too.

Schedule-free rules and Prodigy meet their authors' own packages, DoG too; DoWG, which no torch
package has, is DoG where no distance grows, and its authors' formula in `tests.references`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_optimizer
import torch
from dog import DoG
from prodigyopt import Prodigy
from schedulefree import AdamWScheduleFree, SGDScheduleFree
from torch import Tensor, nn

from optimizers.configuration import Configuration
from optimizers.layout import Layout
from optimizers.models.mlp import MLP
from optimizers.objectives import CrossEntropy
from optimizers.registry import RULES
from optimizers.rule import State
from optimizers.training import train
from tests.optimizers.drive import arrive, drive, spread
from tests.optimizers.peer import batches, digits, network
from tests.optimizers.test_adam_relatives import timm

Build = Callable[[Iterable[Tensor], Mapping[str, float]], torch.optim.Optimizer]

STEPS = 200
WITHIN = {torch.float64: 1e-12, torch.float32: 2e-5}
LAYOUT = Layout({"scalar": (), "matrix": (7, 10), "vector": (7,)})
SCALES = (1.0, 0.0, 1e-8, 1e4)
"""Of the gradients of each trial."""


def ready(optimizer: Any) -> torch.optim.Optimizer:
    """An optimizer that must be told when it trains, told so."""
    optimizer.train()
    assert isinstance(optimizer, torch.optim.Optimizer)
    return optimizer


def schedule_free_sgd(
    p: Iterable[Tensor], h: Mapping[str, float], warmup_steps: int = 0
) -> torch.optim.Optimizer:
    """The authors' own."""
    return ready(
        SGDScheduleFree(
            p, h["learning_rate"], h["beta"], warmup_steps=warmup_steps, r=h["averaging_power"]
        )
    )


def schedule_free_adamw(
    p: Iterable[Tensor], h: Mapping[str, float], warmup_steps: int = 0
) -> torch.optim.Optimizer:
    """The authors' own."""
    return ready(
        AdamWScheduleFree(
            p,
            h["learning_rate"],
            (h["beta"], h["beta2"]),
            h["epsilon"],
            h["weight_decay"],
            warmup_steps,
            h["averaging_power"],
        )
    )


def lars(p: Iterable[Tensor], h: Mapping[str, float]) -> torch.optim.Optimizer:
    """timm's: pytorch_optimizer's leaves vectors alone."""
    optimizer: torch.optim.Optimizer = timm("lars", "Lars")(
        p,
        h["learning_rate"],
        h["momentum"],
        weight_decay=h["weight_decay"],
        trust_coeff=h["trust_coefficient"],
        eps=0.0,
        foreach=False,
    )
    return optimizer


def lamb(p: Iterable[Tensor], h: Mapping[str, float]) -> torch.optim.Optimizer:
    """timm's: pytorch_optimizer's corrects no bias and cuts the norm of the weights at 10."""
    optimizer: torch.optim.Optimizer = timm("lamb", "Lamb")(
        p,
        h["learning_rate"],
        betas=(h["beta1"], h["beta2"]),
        eps=h["epsilon"],
        weight_decay=h["weight_decay"],
        max_grad_norm=None,
        foreach=False,
    )
    return optimizer


WITNESSES: dict[str, Build] = {
    "schedule_free_sgd": schedule_free_sgd,
    "schedule_free_adamw": schedule_free_adamw,
    "madgrad": lambda p, h: pytorch_optimizer.MADGRAD(
        p, h["learning_rate"], h["momentum"], eps=h["epsilon"], foreach=False
    ),
    "dog": lambda p, h: DoG(list(p), h["initial_reach"], h["learning_rate"], eps=h["epsilon"]),
    "prodigy": lambda p, h: Prodigy(
        p,
        h["learning_rate"],
        (h["beta1"], h["beta2"]),
        eps=h["epsilon"],
        d0=h["initial_distance"],
        d_coef=h["distance_factor"],
    ),
    "dadapt_adam": lambda p, h: pytorch_optimizer.DAdaptAdam(
        p,
        h["learning_rate"],
        (h["beta1"], h["beta2"]),
        h["initial_distance"],
        eps=h["epsilon"],
        foreach=False,
    ),
    "lamb": lamb,
    "lars": lars,
    "novograd": lambda p, h: pytorch_optimizer.NovoGrad(
        p,
        h["learning_rate"],
        (h["beta1"], h["beta2"]),
        h["weight_decay"],
        weight_decouple=False,
        eps=h["epsilon"],
        foreach=False,
    ),
}

UNUSUAL: dict[str, Mapping[str, float]] = {
    "schedule_free_sgd": {"averaging_power": 1.5},
    "schedule_free_adamw": {"averaging_power": 0.5, "epsilon": 1e-3},
    "prodigy": {"learning_rate": 0.5, "initial_distance": 1e-3},
    "dadapt_adam": {"initial_distance": 1e-3},
    "dog": {"initial_reach": 1e-3, "epsilon": 1e-2},
    "lars": {"trust_coefficient": 0.02},
    "lamb": {"epsilon": 1e-2},
}
"""Values of hyperparameters that are not searched, hence the default's elsewhere."""


@pytest.fixture(autouse=True)
def _scalars_in_double_precision() -> Iterator[None]:
    """Libraries keep running sums of their own in torch's default precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def parameters_at(start: Tensor) -> list[nn.Parameter]:
    """A trial's row as tensors of their own."""
    return [nn.Parameter(part[0].clone()) for part in LAYOUT.by_name(start[None]).values()]


def flat(parameters: list[nn.Parameter]) -> Tensor:
    """Tensors as a trial's row."""
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


def walk(build: Build, h: Mapping[str, float], start: Tensor, gradients: Tensor) -> Tensor:
    """Where a library's optimizer is after each step of one trial, and what it judges at last."""
    parameters = parameters_at(start)
    optimizer, path = build(parameters, h), []
    for gradient in gradients:
        parts = LAYOUT.by_name(gradient[None]).values()
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part[0].clone()
        optimizer.step()
        path.append(flat(parameters))
    if isinstance(optimizer, SGDScheduleFree | AdamWScheduleFree):
        optimizer.eval()
    return torch.stack([*path, flat(parameters)])


def judged(name: str, trials: list[dict[str, float]], weights: Tensor, state: State) -> Tensor:
    """What a rule judges after its last step."""
    rule = RULES[name]
    if rule.evaluation_point is None:
        return weights
    h = {key: torch.tensor([[trial[key] for trial in trials]]) for key in trials[0]}
    tables = rule.coefficients(torch.full((1, 1), float(STEPS)), h)
    columns = {
        key: table.expand(1, len(trials)).T.to(weights.dtype) for key, table in tables.items()
    }
    return rule.evaluation_point(weights, state, SimpleNamespace(**columns))


@pytest.mark.parametrize("dtype", WITHIN, ids=str)
@pytest.mark.parametrize(
    ("name", "set_to"),
    [*((name, {}) for name in WITNESSES), *UNUSUAL.items()],
    ids=[*WITNESSES, *(f"{name} set by hand" for name in UNUSUAL)],
)
def test_public_libraries_walk_the_same_path(
    name: str, set_to: Mapping[str, float], dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (STEPS, len(SCALES), LAYOUT.size)
    gradients = torch.randn(shape, generator=generator) * torch.tensor(SCALES)[:, None]
    gradients, start = gradients.to(dtype), torch.randn(shape[1:], generator=generator).to(dtype)
    trials = [{**h, **set_to} for h in spread(RULES[name], len(SCALES))]
    path = []
    for weights, state in drive(
        RULES[name], trials, start, lambda step, _: gradients[step], STEPS, LAYOUT
    ):
        path.append(weights.clone())
        last = judged(name, trials, weights, state)
    found = torch.stack([*path, last])
    for trial, h in enumerate(trials):
        wanted = walk(WITNESSES[name], h, start[trial], gradients[:, trial])
        error = (found[:, trial] - wanted).abs().amax(1) / wanted.abs().amax(1)
        assert error.max() <= WITHIN[dtype], (trial, error.argmax())


def test_dowg_is_dog_where_no_distance_grows() -> None:
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(30, 2, LAYOUT.size, generator=generator)
    start = torch.randn(2, LAYOUT.size, generator=generator)
    h = {"learning_rate": 0.01, "initial_reach": 1.0, "epsilon": 0.0}
    ends = [
        arrive(RULES[name], [h] * 2, start, lambda step, _: gradients[step], 30)
        for name in ("dog", "dowg")
    ]
    assert torch.equal(ends[0][1]["reach"], ends[0][1]["scale"])
    assert torch.allclose(ends[0][0], ends[1][0], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw"])
def test_a_whole_schedule_free_training_is_its_authors(name: str) -> None:
    """Warm-up weighs the average; the curve is that of the average."""
    torch.set_default_dtype(torch.float32)  # initial weights are drawn in it
    training, validation, epochs, seed = digits(slice(0, 100)), digits(slice(1000, 1100)), 8, 3
    warmup = 0.25
    h = spread(RULES[name], 1)[0] | {"learning_rate": 0.02}
    outcome = train(
        MLP(64, 10, CrossEntropy(), (12,), "tanh"),
        training,
        validation,
        [Configuration(name, h, "constant", {"warmup": warmup}, 64)],
        epochs=epochs,
        seeds=[seed],
        dtype=torch.float64,
    )[0]
    net = network((64, 12, 10), "tanh", seed).double()
    build = {"schedule_free_sgd": schedule_free_sgd, "schedule_free_adamw": schedule_free_adamw}
    optimizer = build[name](net.parameters(), h, warmup_steps=round(warmup * 2 * epochs))
    assert isinstance(optimizer, SGDScheduleFree | AdamWScheduleFree)
    for epoch, loss in zip(batches(seed, 100, 64, epochs), outcome.metrics["loss"], strict=True):
        optimizer.train()
        for rows in epoch:
            optimizer.zero_grad()
            nn.functional.cross_entropy(
                net(training.inputs[rows]), training.targets[rows]
            ).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        optimizer.eval()
        with torch.no_grad():
            wanted = nn.functional.cross_entropy(net(validation.inputs), validation.targets)
        assert loss == pytest.approx(wanted.item(), rel=1e-12)
