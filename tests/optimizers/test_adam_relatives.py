"""Relatives of Adam and Lion walk the path that public libraries walk on the same gradients.

pytorch_optimizer, and timm where the former has another rule under the name.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest
import pytorch_optimizer as witness
import torch
from torch import Tensor

from optimizers.layout import Layout
from optimizers.registry import RULES
from optimizers.rules.cautious import cautious
from tests.optimizers.drive import drive, spread

Build = Callable[[Iterable[Tensor], Mapping[str, float]], torch.optim.Optimizer]

STEPS = 200
WITHIN = {torch.float64: 1e-12, torch.float32: 2e-5}
SHAPES: dict[str, tuple[int, ...]] = {"scalar": (), "vector": (5,), "kernel": (2, 3, 4, 5)}
SCALES = (1.0, 0.0, 1e-8, 1e4)
"""Of the gradients of each trial."""


def timm(module: str, name: str) -> Any:
    """A class of timm.optim without the rest of timm, which needs torchvision."""
    spec = find_spec("timm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    root = spec.submodule_search_locations[0]
    hollow = {"timm": root, "timm.optim": f"{root}/optim"}
    # One by one, not by `patch.dict`: it empties the dictionary for a moment, in which another
    # thread that imports would make second copies of what is there.
    for package, path in hollow.items():
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = [path]
    try:
        return getattr(import_module(f"timm.optim.{module}"), name)
    finally:
        for package in hollow:
            del sys.modules[package]


class Yogi(witness.Yogi):
    """With a mean gradient that starts at 0, as in the paper, and not at 1e-6."""

    def init_group(self, group: Any, **kwargs: Any) -> None:
        new = [parameter for parameter in group["params"] if not self.state[parameter]]
        super().init_group(group, **kwargs)
        for parameter in new:
            self.state[parameter]["exp_avg"].zero_()


class AdaBound(witness.AdaBound):
    """Without the 1e-15 that the library adds under the root."""

    apply_ams_bound = staticmethod(partial(witness.AdaBound.apply_ams_bound, exp_avg_sq_eps=0.0))


def betas(h: Mapping[str, float]) -> tuple[float, ...]:
    """All of a rule's decay rates, in order."""
    return tuple(value for name, value in h.items() if name.startswith("beta"))


def common(h: Mapping[str, float]) -> dict[str, Any]:
    """What both libraries call by the same names."""
    same = {"lr": h["learning_rate"], "betas": betas(h), "weight_decay": h.get("weight_decay", 0.0)}
    return same | ({"eps": h["epsilon"]} if "epsilon" in h else {})


def plain(kind: Callable[..., torch.optim.Optimizer], **fixed: Any) -> Build:
    """A witness that needs no more than its rule's common hyperparameters."""
    return lambda p, h: kind(p, **common(h), **fixed)


WITNESSES: dict[str, Build] = {
    "lion": plain(witness.Lion, foreach=False),
    "yogi": plain(Yogi, foreach=False),
    "adabelief": plain(witness.AdaBelief, foreach=False),
    "adabound": lambda p, h: AdaBound(
        p,
        **common(h),
        final_lr=h["final_ratio"] * h["learning_rate"],
        gamma=h["gamma"],
        foreach=False,
    ),
    "laprop": plain(timm("laprop", "LaProp"), foreach=False),
    "adopt": plain(witness.ADOPT, clip_lambda=lambda step: (step - 1) ** 0.25, foreach=False),
    "stable_adamw": plain(witness.StableAdamW, kahan_sum=False, foreach=False),
    "nadamw": plain(timm("nadamw", "NAdamW"), foreach=False),
    "adan": plain(witness.Adan, foreach=False),
    "ademamix": lambda p, h: witness.AdEMAMix(
        p,
        **common(h),
        alpha=h["alpha"],
        t_alpha_beta3=STEPS,
        weight_decouple=True,
        foreach=False,
    ),
    "mars": lambda p, h: timm("mars", "Mars")(p, **common(h), gamma=h["gamma"], optimize_1d=True),
    "cautious_adamw": plain(timm("adamw", "AdamWLegacy"), caution=True, foreach=False),
    "cautious_lion": plain(timm("lion", "Lion"), caution=True, foreach=False),
    "grams": plain(witness.Grams, foreach=False),
}


@pytest.fixture(autouse=True)
def _scalars_in_double_precision() -> Iterator[None]:
    """timm keeps running sums of its own in torch's default precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def walk(build: Build, h: Mapping[str, float], start: Tensor, gradients: Tensor) -> Tensor:
    """Where a library's optimizer is after each step, of one trial: (steps, P)."""
    layout = Layout(SHAPES)
    parts = layout.by_name(start[None].clone()).values()
    parameters = [torch.nn.Parameter(part[0]) for part in parts]
    optimizer, path = build(parameters, h), []
    for gradient in gradients:
        for parameter, part in zip(
            parameters, layout.by_name(gradient[None]).values(), strict=True
        ):
            parameter.grad = part[0].clone()
        optimizer.step()
        path.append(torch.cat([parameter.detach().flatten() for parameter in parameters]))
    return torch.stack(path)


@pytest.mark.parametrize("dtype", WITHIN, ids=str)
@pytest.mark.parametrize("name", WITNESSES)
def test_public_libraries_walk_the_same_path(name: str, dtype: torch.dtype) -> None:
    layout, generator = Layout(SHAPES), torch.Generator().manual_seed(0)
    shape = (STEPS, len(SCALES), layout.size)
    scales = torch.tensor(SCALES)[:, None]
    gradients = (torch.randn(shape, generator=generator) * scales).to(dtype)
    start = torch.randn(shape[1:], generator=generator).to(dtype)
    trials = spread(RULES[name], len(SCALES))
    driven = drive(RULES[name], trials, start, lambda step, _: gradients[step], STEPS, layout)
    found = torch.stack([weights.clone() for weights, _ in driven])
    for trial, h in enumerate(trials):
        wanted = walk(WITNESSES[name], h, start[trial], gradients[:, trial])
        error = (found[:, trial] - wanted).abs().amax(1)
        assert (error <= WITHIN[dtype] * wanted.abs().amax(1)).all(), (trial, error.max())


def test_caution_keeps_what_agrees_and_grows_it_tensor_by_tensor() -> None:
    layout = Layout({"half": (4,), "none": (2,)})
    direction = torch.tensor([[1.0, -2.0, 3.0, 4.0, 1.0, 1.0]])
    gradient = torch.tensor([[1.0, -0.1, -1.0, 0.0, -1.0, -2.0]])
    kept = cautious(direction, gradient, layout)
    assert kept.tolist() == [[2.0, -4.0, 0.0, 0.0, 0.0, 0.0]]
