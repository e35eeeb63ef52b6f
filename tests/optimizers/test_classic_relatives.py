"""Relatives of the classic rules: second witnesses, algebraic identities, and what is judged."""

from collections.abc import Iterable, Mapping
from types import SimpleNamespace

import pytest
import pytorch_optimizer as witness
import torch
from torch import Tensor

from optimizers.registry import RULES
from tests.optimizers.drive import arrive, drive, spread
from tests.optimizers.peer import ORACLES, Build

TRIALS, WEIGHTS, STEPS = 4, 77, 200
WITHIN = {torch.float64: 1e-12, torch.float32: 2e-5}
both_precisions = pytest.mark.parametrize("dtype", WITHIN, ids=str)

WITNESSES: dict[str, Build] = {
    "signum": lambda p, h: witness.SignSGD(p, h["learning_rate"], h["momentum"], foreach=False),
    "qhm": lambda p, h: witness.QHM(p, h["learning_rate"], h["beta"], h["nu"]),
    "aggmo": lambda p, h: witness.AggMo(
        p, h["learning_rate"], (h["beta1"], h["beta2"], h["beta3"]), foreach=False
    ),
}

UNUSUAL: dict[str, Mapping[str, float]] = {
    "aggmo": {"beta1": 0.5, "beta2": 0.8, "beta3": 0.95},
    "asgd": {"weight_decay": 0.1, "alpha": 0.5},
    "nadam": {"momentum_decay": 0.05},
    "rmsprop": {"momentum": 0.8},
    "rmsprop_centered": {"momentum": 0.8},
    "rprop": {"shrink": 0.7, "grow": 1.4, "smallest": 5e-3, "largest": 2e-2},
}
"""Values of hyperparameters that are not searched, hence the default's elsewhere."""


def numbers(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """The same normal numbers whenever the shape is the same."""
    generator = torch.Generator().manual_seed(len(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def path(
    name: str, trials: Iterable[Mapping[str, float]], gradients: Tensor, start: Tensor
) -> Tensor:
    """The weights after each step: (steps, K, P)."""
    driven = drive(RULES[name], [*trials], start, lambda step, _: gradients[step], len(gradients))
    return torch.stack([weights.clone() for weights, _ in driven])


@both_precisions
@pytest.mark.parametrize(
    ("name", "set_to"),
    [*((name, {}) for name in WITNESSES), *UNUSUAL.items()],
    ids=[*WITNESSES, *(f"{name} set by hand" for name in UNUSUAL)],
)
def test_public_libraries_walk_the_same_path(
    name: str, set_to: Mapping[str, float], dtype: torch.dtype
) -> None:
    start = numbers(TRIALS, WEIGHTS, dtype=dtype)
    gradients = numbers(STEPS, TRIALS, WEIGHTS, dtype=dtype)
    trials = [{**h, **set_to} for h in spread(RULES[name], TRIALS)]
    found = path(name, trials, gradients, start)
    build = WITNESSES[name] if name in WITNESSES else ORACLES[name].build
    for trial, h in enumerate(trials):
        parameter = torch.nn.Parameter(start[trial].clone())
        optimizer = build([parameter], {**h, "total_steps": STEPS})
        for step in range(STEPS):
            parameter.grad = gradients[step, trial].clone()
            optimizer.step()
            wanted = parameter.detach()
            error = (found[step, trial] - wanted).abs().max()
            assert error <= WITHIN[dtype] * wanted.abs().max(), step


def same_path(
    one: tuple[str, Mapping[str, float]],
    other: tuple[str, Mapping[str, float]],
    within: float = 1e-12,
) -> None:
    """Assert that two rules with these hyperparameters are one on the same gradients."""
    start, gradients = numbers(1, WEIGHTS), numbers(40, 1, WEIGHTS)
    found, wanted = (path(name, [h], gradients, start) for name, h in (one, other))
    assert (found - wanted).abs().max() <= within * wanted.abs().max()


def test_adam_with_a_huge_epsilon_is_a_corrected_mean_of_gradients() -> None:
    """The root of the squares is lost beside it: 1e-8 of the step, times at most 5."""
    rate, beta, epsilon = 0.03, 0.9, 1e8
    start, gradients = numbers(1, WEIGHTS), numbers(40, 1, WEIGHTS)
    h = {"learning_rate": rate * epsilon, "beta1": beta, "beta2": 0.99, "epsilon": epsilon}
    found = path("adam", [h], gradients, start)
    weights, mean = start.clone(), torch.zeros_like(start)
    for t, gradient in enumerate(gradients, 1):
        mean = beta * mean + (1 - beta) * gradient
        weights -= rate * mean / (1 - beta**t)
        assert (found[t - 1] - weights).abs().max() <= 5e-8 * weights.abs().max()


def test_nesterov_without_momentum_is_gradient_descent() -> None:
    same_path(
        ("nesterov", {"learning_rate": 0.1, "momentum": 0.0}), ("sgd", {"learning_rate": 0.1})
    )


def test_adamw_without_decay_is_adam() -> None:
    h = {"learning_rate": 0.01, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-8}
    same_path(("adamw", {**h, "weight_decay": 0.0}), ("adam", h), within=0.0)


def test_aggregated_momentum_with_one_decay_is_momentum() -> None:
    betas = dict.fromkeys(("beta1", "beta2", "beta3"), 0.9)
    same_path(
        ("aggmo", {"learning_rate": 0.01, **betas}),
        ("momentum", {"learning_rate": 0.01, "momentum": 0.9}),
    )


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_quasi_hyperbolic_momentum_all_in_is_a_mean_of_gradients(beta: float) -> None:
    """Which is momentum at a smaller rate."""
    same_path(
        ("qhm", {"learning_rate": 0.1, "beta": beta, "nu": 1.0}),
        ("momentum", {"learning_rate": 0.1 * (1 - beta), "momentum": beta}),
    )


def test_quasi_hyperbolic_momentum_without_it_is_gradient_descent() -> None:
    same_path(
        ("qhm", {"learning_rate": 0.1, "beta": 0.9, "nu": 0.0}), ("sgd", {"learning_rate": 0.1})
    )


def test_signum_without_momentum_is_sign_descent() -> None:
    start, gradients = numbers(1, WEIGHTS), numbers(40, 1, WEIGHTS)
    found = path("signum", [{"learning_rate": 0.01, "momentum": 0.0}], gradients, start)
    wanted = start - 0.01 * gradients.sign().cumsum(0)
    assert (found - wanted).abs().max() <= 1e-12


def test_averaging_without_decay_walks_gradient_descents_path() -> None:
    h = {"learning_rate": 0.1, "weight_decay": 0.0, "alpha": 0.75, "begin": 0.5}
    same_path(("asgd", h), ("sgd", {"learning_rate": 0.1}))


@both_precisions
@pytest.mark.parametrize("alpha", [0.5, 0.9, 0.99])
def test_centered_rmsprop_stays_finite_under_a_constant_gradient(
    alpha: float, dtype: torch.dtype
) -> None:
    """Where the mean square less the squared mean rounds below 0, and torch's root is NaN."""
    gradient = numbers(1, 10_000, dtype=dtype)
    h = {"learning_rate": 1e-3, "alpha": alpha, "epsilon": 1e-8, "momentum": 0.0}
    weights, state = arrive(
        RULES["rmsprop_centered"],
        [h],
        torch.zeros_like(gradient),
        lambda *_: gradient,
        400,
    )
    assert weights.isfinite().all()
    assert (state["variance"] >= 0).all()


@pytest.mark.parametrize("beta2", [0.6, 2 / 3, 0.8, 0.9, 0.999])
def test_rectified_adam_adapts_once_it_has_seen_enough(beta2: float) -> None:
    """At step 6 for 0.9 and above, at 7 for 0.8, never up to 2/3."""
    t = torch.arange(1, 1001, dtype=torch.float64)[:, None]
    h = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": beta2, "epsilon": 1e-8}
    columns = {name: torch.tensor([[value]], dtype=torch.float64) for name, value in h.items()}
    tables = RULES["radam"].coefficients(t, columns)
    adapts = (tables["slowness"] > 0).squeeze(1).double()
    first = {0.8: 7, 0.9: 6, 0.999: 6}.get(beta2, 1001)
    assert adapts.tolist() == [float(step >= first) for step in range(1, 1001)]
    assert all(table.isfinite().all() for table in tables.values())


def test_averaged_descent_is_judged_by_the_mean_of_its_last_weights() -> None:
    """Of those from two steps after the given share of all steps on; before, of none but one."""
    rule, steps = RULES["asgd"], 20
    assert rule.evaluation_point is not None
    start, gradients = numbers(3, WEIGHTS), numbers(steps, 3, WEIGHTS)
    trials = [
        {**h, "begin": share} for h, share in zip(spread(rule, 3), (0.5, 0.75, 1.0), strict=True)
    ]
    weights = path("asgd", trials, gradients, start)
    trained, state = arrive(rule, trials, start, lambda step, _: gradients[step], steps)
    judged = rule.evaluation_point(trained, state, SimpleNamespace())
    for trial, first in enumerate((12, 17, 20)):
        wanted = weights[first - 1 :, trial].mean(0)
        assert (judged[trial] - wanted).abs().max() <= 1e-12
    assert torch.equal(judged[2], trained[2])
