"""Bad input is refused in words: what was wrong, what was received, what is allowed."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from optimizers.configuration import Configuration
from optimizers.errors import (
    InvalidHyperparameter,
    InvalidProblem,
    OptimizerError,
    UnknownName,
)
from optimizers.hyperparameters import Hyperparameter, complete
from optimizers.models.mlp import ACTIVATIONS, MLP
from optimizers.objectives import CrossEntropy, SquaredError
from optimizers.problem import Examples
from optimizers.registry import RULES, find_rule
from optimizers.schedules import SCHEDULES, find_schedule
from optimizers.stack import Stack
from optimizers.training import train

EXAMPLES = Examples(torch.zeros(4, 3), torch.tensor([0, 1, 1, 0]))
VALUES = Examples(torch.zeros(4, 3), torch.zeros(4))
CLASSIFIER = MLP(3, 2, CrossEntropy())
TRIAL = Configuration("sgd")


def refused(cause: Callable[[], object], kind: type[OptimizerError]) -> OptimizerError:
    """The error, which names field, value and what is allowed; a ValueError like all of them."""
    with pytest.raises(kind) as caught:
        cause()
    error = caught.value
    allowed = error.allowed if isinstance(error.allowed, list) else [error.allowed]
    for part in (error.field, repr(error.value), *map(str, allowed)):
        assert part in str(error)
    assert isinstance(error, ValueError)
    return error


def training(**change: Any) -> Callable[[], object]:
    """A call of train with one thing wrong."""
    usual: dict[str, Any] = {
        "problem": CLASSIFIER,
        "training": EXAMPLES,
        "validation": EXAMPLES,
        "configurations": [TRIAL, TRIAL],
        "epochs": 1,
    }
    return lambda: train(**(usual | change))


def test_the_usual_call_is_accepted() -> None:
    assert len(training()()) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("find", [find_rule, Configuration])
def test_an_unknown_optimizer_gets_the_nearest_names(find: Callable[[str], object]) -> None:
    error = refused(lambda: find("adamm"), UnknownName)
    assert str(error).startswith(
        f"optimizer must be {', '.join(sorted(RULES))}. Got 'adamm'. Did you mean 'adam' or "
    )
    assert (error.field, error.value, error.allowed) == ("optimizer", "adamm", sorted(RULES))


@pytest.mark.parametrize("find", [find_schedule, lambda name: Configuration("sgd", schedule=name)])
def test_an_unknown_schedule_gets_the_nearest_names(find: Callable[[str], object]) -> None:
    error = refused(lambda: find("cosin"), UnknownName)
    assert str(error) == (
        f"schedule must be {', '.join(sorted(SCHEDULES))}. Got 'cosin'. "
        "Did you mean 'cosine' or 'cosine_restarts'?"
    )


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    error = refused(lambda: find_rule("xyz"), UnknownName)
    assert str(error).endswith("Got 'xyz'.")


@pytest.mark.parametrize("name", ["", None, 3])
def test_what_is_no_name_is_refused_like_one(name: Any) -> None:
    refused(lambda: find_rule(name), UnknownName)
    refused(lambda: find_schedule(name), UnknownName)


def test_an_unknown_activation_gets_the_nearest_names() -> None:
    error = refused(lambda: MLP(3, 2, CrossEntropy(), activation="rely"), UnknownName)
    assert str(error) == (
        f"activation must be {', '.join(sorted(ACTIVATIONS))}. Got 'rely'. Did you mean 'relu' or 'gelu'?"
    )


def test_an_unknown_hyperparameter_gets_the_nearest_names() -> None:
    error = refused(lambda: Configuration("adam", {"beta": 0.9}), UnknownName)
    assert str(error) == (
        "adam's hyperparameters must be beta1, beta2, epsilon, learning_rate. Got 'beta'. "
        "Did you mean 'beta2' or 'beta1'?"
    )
    refused(lambda: Configuration("sgd", {}, "cosine", {"gamma": 0.1}), UnknownName)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, -1e-9, 10**400, True, "0.1", None, [0.1], 1j]
)
@pytest.mark.parametrize("name", RULES)
def test_no_rule_takes_what_is_no_sensible_number(name: str, value: Any) -> None:
    for h in RULES[name].hyperparameters:
        error = refused(lambda h=h: Configuration(name, {h.name: value}), InvalidHyperparameter)  # type: ignore[misc]
        assert str(error) == f"{name}.{h.name} must be {h.allowed}. Got {value!r}."


@pytest.mark.parametrize("value", [math.nan, -0.1, 1e9, True, "0.1"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_no_schedule_takes_what_is_no_sensible_number(name: str, value: Any) -> None:
    for h in SCHEDULES[name].hyperparameters:
        refused(
            lambda h=h: Configuration("sgd", {}, name, {h.name: value}),  # type: ignore[misc]
            InvalidHyperparameter,
        )


@pytest.mark.parametrize(
    ("h", "inside", "outside", "words"),
    [
        (Hyperparameter("x", 1.0, ""), [0.0, 1e300, 7], [-1e-300], "at least 0 and finite"),
        (Hyperparameter("x", 0.5, "", below=1.0), [0.0, 0.999], [1.0], "at least 0 and below 1"),
        (
            Hyperparameter("x", 0.5, "", minimum=0.25, maximum=1.0),
            [0.25, 1],
            [0.2499, 1.0001],
            "at least 0.25 and at most 1",
        ),
    ],
    ids=["finite", "below", "at most"],
)
def test_limits_are_kept_exactly_and_said_in_words(
    h: Hyperparameter, inside: list[float], outside: list[float], words: str
) -> None:
    for value in inside:
        found = h.check("rule", value)
        assert found == value
        assert type(found) is float
    for value in outside:
        error = refused(lambda value=value: h.check("rule", value), InvalidHyperparameter)  # type: ignore[misc]
        assert str(error) == f"rule.x must be a number {words}. Got {value!r}."


@pytest.mark.parametrize("value", [2.5, 0.999, 3 + 1e-15 * 4, 0, 101, 1e300, True, "2", math.nan])
def test_what_counts_something_takes_whole_numbers_alone(value: Any) -> None:
    h = Hyperparameter("drops", 2, "", minimum=1, maximum=100, whole=True)
    for given in (3, 3.0):
        assert h.check("step", given) == 3
        assert type(h.check("step", given)) is int
    error = refused(lambda: h.check("step", value), InvalidHyperparameter)
    assert str(error) == (
        f"step.drops must be a whole number at least 1 and at most 100. Got {value!r}."
    )
    refused(lambda: Configuration("sgd", {}, "step", {"drops": value}), InvalidHyperparameter)
    usual = Configuration("sgd", schedule="step")
    assert '"drops": 2,' in json.dumps(usual.as_dict())


def test_what_is_left_out_takes_its_default() -> None:
    adam = RULES["adam"]
    found = complete("adam", adam.hyperparameters, {"beta1": 0})
    assert found == {"learning_rate": 1e-3, "beta1": 0.0, "beta2": 0.999, "epsilon": 1e-8}


@pytest.mark.parametrize("batch", [0, -1, 2.5, True, False, "half", "64", None, math.nan])
def test_a_batch_is_a_kind_or_a_number(batch: Any) -> None:
    error = refused(lambda: Configuration("sgd", batch=batch), InvalidProblem)
    assert str(error) == (f'batch must be "full", "single" or a number at least 1. Got {batch!r}.')


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("batch", ["full", "single", 7])
def test_a_configuration_survives_its_json_form(name: str, batch: Any) -> None:
    for schedule in SCHEDULES:
        given = Configuration(name, {"learning_rate": 0.25}, schedule, {"warmup": 0.1}, batch)
        form = given.as_dict()
        assert form["optimizer"]["name"] == name
        assert form["schedule"]["name"] == schedule
        assert Configuration.from_dict(form) == given


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (training(configurations=[]), "configurations must be at least one. Got []."),
        (training(epochs=0), "epochs must be a whole number at least 1. Got 0."),
        (training(epochs=1.5), "epochs must be a whole number at least 1. Got 1.5."),
        (training(epochs=True), "epochs must be a whole number at least 1. Got True."),
        (training(stack_trials=0), "stack_trials must be a whole number at least 1. Got 0."),
        (training(seeds=[1]), "seeds must be 2 numbers, one a trial. Got 1."),
        (training(seeds=[1, 2, 3]), "seeds must be 2 numbers, one a trial. Got 3."),
        (
            training(seeds=-1),
            "seeds must be a whole number at least 0 and below 4294967296. Got -1.",
        ),
        (
            training(seeds=[0, 2**32]),
            "seeds must be a whole number at least 0 and below 4294967296. Got 4294967296.",
        ),
        (
            training(seeds=[0, 0.5]),
            "seeds must be a whole number at least 0 and below 4294967296. Got 0.5.",
        ),
        (training(dtype=torch.int64), "dtype must be a floating type. Got torch.int64."),
        (
            training(training=Examples(torch.zeros(4, 2), EXAMPLES.targets)),
            "inputs must be of shape (rows, 3). Got (4, 2).",
        ),
        (
            training(validation=Examples(torch.zeros(4, 3, 1), EXAMPLES.targets)),
            "inputs must be of shape (rows, 3). Got (4, 3, 1).",
        ),
        (
            training(training=Examples(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]))),
            "targets must be class numbers from 0 to 1. Got 2.",
        ),
        (
            training(validation=Examples(torch.zeros(4, 3), torch.tensor([0, -1, 1, 0]))),
            "targets must be class numbers from 0 to 1. Got -1.",
        ),
        (
            training(training=VALUES),
            "targets must be torch.int64 class numbers. Got torch.float32.",
        ),
        (
            training(problem=MLP(3, 1, SquaredError())),
            "targets must be floating numbers. Got torch.int64.",
        ),
        (
            training(problem=MLP(3, 2, SquaredError()), training=VALUES, validation=VALUES),
            "outputs must be 1 for regression. Got 2.",
        ),
        (
            training(
                training=Examples(torch.full((4, 3), 1e300, dtype=torch.float64), EXAMPLES.targets)
            ),
            "inputs must be finite torch.float32 numbers; see row 0. Got inf.",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(cause: Callable[[], object], message: str) -> None:
    assert str(refused(cause, InvalidProblem)) == message


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (
            torch.zeros(3, 2),
            torch.zeros(4),
            "examples must be as many inputs as targets, at least one. "
            "Got '3 inputs and 4 targets'.",
        ),
        (
            torch.zeros(0, 2),
            torch.zeros(0),
            "examples must be as many inputs as targets, at least one. "
            "Got '0 inputs and 0 targets'.",
        ),
        (torch.zeros(3, 2), torch.zeros(3, 1), "targets must be one number a row. Got (3, 1)."),
        (
            torch.tensor([[0.0, 1.0], [0.0, math.nan]]),
            torch.zeros(2),
            "inputs must be finite torch.float32 numbers; see row 1. Got nan.",
        ),
        (
            torch.zeros(2, 1),
            torch.tensor([0.0, -math.inf]),
            "targets must be finite torch.float32 numbers; see row 1. Got -inf.",
        ),
    ],
)
def test_what_are_no_examples_is_refused(
    inputs: torch.Tensor, targets: torch.Tensor, message: str
) -> None:
    assert str(refused(lambda: Examples(inputs, targets), InvalidProblem)) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": 0}, "inputs must be a whole number at least 1. Got 0."),
        ({"outputs": 0}, "outputs must be a whole number at least 1. Got 0."),
        ({"hidden": (8, -2)}, "hidden must be a whole number at least 1. Got -2."),
        ({"hidden": (8.0,)}, "hidden must be a whole number at least 1. Got 8.0."),
        ({"dropout": 1.0}, "dropout must be a number at least 0 and below 1. Got 1.0."),
        ({"dropout": math.nan}, "dropout must be a number at least 0 and below 1. Got nan."),
    ],
)
def test_a_network_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {"inputs": 3, "outputs": 2, "objective": CrossEntropy()}
    assert str(refused(lambda: MLP(**(usual | change)), InvalidProblem)) == message


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
def test_a_targets_unit_is_positive(scale: float) -> None:
    error = refused(lambda: SquaredError(scale), InvalidProblem)
    assert str(error) == f"scale must be a finite number above 0. Got {scale!r}."


@pytest.mark.parametrize(("batches", "seeds"), [((1, 2), (0, 0)), ((2, 2), (0,))])
def test_a_stack_has_one_batch_size_and_a_seed_a_trial(
    batches: tuple[int, ...], seeds: tuple[int, ...]
) -> None:
    trials = [Configuration("sgd", batch=batch) for batch in batches]
    error = refused(lambda: Stack(CLASSIFIER, EXAMPLES, EXAMPLES, trials, seeds, 1), InvalidProblem)
    assert str(error) == (
        "stack must be 2 trials with equal batch sizes, and a seed each. "
        f"Got 'batch sizes {sorted(set(batches))} and {len(seeds)} seeds'."
    )
