"""Exported sources train as stacks do: the same losses, epoch by epoch."""

import io
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

from optimizers.configuration import Configuration
from optimizers.registry import RULES
from optimizers.stack import Outcome
from optimizers.torch_export import torch_export
from tests.optimizers.drive import spread
from tests.optimizers.exported import TRAINING, Exported, loss_of, stacked, trained

EPOCHS = 3
WITHIN = {
    # torch keeps the product of NAdam's momenta in single precision.
    "nadam": 1e-8
}
"""Largest relative difference of losses, where it is not 1e-12."""

COSINE = {"warmup": 0.2, "final": 0.01}
MATTERS = {"sophia": {"gamma": 5.0}}  # or curvature this small leaves every step clipped
EVERY_RULE = [
    Configuration(name, {**spread(rule, 2)[1], **MATTERS.get(name, {})}, "cosine", COSINE, batch=8)
    for name, rule in RULES.items()
]


def compare(outcome: Outcome, configuration: Configuration, epochs: int = EPOCHS) -> Exported:
    """Train what is exported and hold it against the stack's outcome."""
    found, within = trained(configuration, epochs), WITHIN.get(configuration.optimizer, 1e-12)
    assert len(outcome.training_loss) == epochs  # it did not diverge
    assert found.validation_loss == pytest.approx(outcome.metrics["loss"], rel=within)
    assert found.training_loss == pytest.approx(outcome.training_loss, rel=within)
    return found


@cache
def every_rule() -> dict[str, Outcome]:
    return dict(zip(RULES, stacked(EVERY_RULE, EPOCHS), strict=True))


@pytest.mark.parametrize("configuration", EVERY_RULE, ids=RULES)
def test_every_rule_trains_as_in_a_stack(configuration: Configuration) -> None:
    compare(every_rule()[configuration.optimizer], configuration)


WAYS: dict[str, dict[str, Any]] = {
    "both": {"clip_norm": 0.1, "l2": 0.3},
    "clipped": {"clip_norm": 0.1},
    "l2": {"l2": 0.3},
}
SHAPED = {
    f"{one.optimizer}-{way}": replace(one, **WAYS[way])
    for one in EVERY_RULE
    for way in WAYS
    if way == "both" or one.optimizer in ("adam", "adamw", "lion", "sam", "sophia")
}


@cache
def every_shaped() -> dict[str, Outcome]:
    return dict(zip(SHAPED, stacked(list(SHAPED.values()), EPOCHS), strict=True))


@pytest.mark.parametrize("name", SHAPED)
def test_clipping_and_l2_come_along(name: str) -> None:
    """Of torch's classes with and without a coupled decay, of emitted ones and of probes."""
    found = compare(every_shaped()[name], SHAPED[name])
    unshaped = every_rule()[SHAPED[name].optimizer]
    assert found.validation_loss != pytest.approx(unshaped.metrics["loss"], rel=1e-9)


REFUSED = {
    "nesterov": {"momentum": 0.0},
    "rprop": {"grow": 1.0},
    "adafactor": {"clip": 0.5},
}


def test_numbers_that_torch_refuses_are_exported_all_the_same() -> None:
    trials = [Configuration(name, h, batch="full") for name, h in REFUSED.items()]
    for configuration, outcome in zip(trials, stacked(trials, EPOCHS), strict=True):
        source = torch_export(configuration)
        assert "torch.optim.Optimizer" in source
        assert "torch.optim.Optimizer" not in torch_export(Configuration(configuration.optimizer))
        compare(outcome, configuration)


@pytest.mark.parametrize(
    "h",
    [
        {"patience": 0, "gamma": 0.5},
        {"patience": 1, "gamma": 0.3, "cooldown": 2, "warmup": 0.1},
        {"patience": 0, "gamma": 0.1, "final": 0.2, "threshold": 0.05, "warmup": 0.34},
        {"patience": 0, "gamma": 1.0},
    ],
    ids=["plain", "cooldown", "final", "never lower"],
)
@pytest.mark.parametrize("name", ["sgd", "schedule_free_sgd"])
def test_plateaus_are_found_as_in_a_stack(name: str, h: dict[str, float]) -> None:
    configuration = Configuration(name, {"learning_rate": 2.0}, "plateau", h, batch=16)
    (outcome,) = stacked([configuration], 12)
    rate = compare(outcome, configuration, 12).optimizer.param_groups[0]["lr"]
    assert rate < 2.0 if h["gamma"] < 1 else rate == 2.0


@pytest.mark.parametrize(
    "name", ["adam", "lion", "muon", "prodigy", "schedule_free_adamw", "ademamix", "sophia"]
)
@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_a_saved_training_goes_on_bit_for_bit(name: str, schedule: str) -> None:
    h = {"warmup": 0.6}
    configuration = Configuration(name, {}, schedule, h, batch=8, clip_norm=1.0)
    kept = Exported(configuration, 4)
    for _ in range(2):
        kept.epoch()
    file = io.BytesIO()
    parts = (kept.net, kept.optimizer, kept.scheduler)
    torch.save([part.state_dict() for part in parts], file)
    file.seek(0)
    resumed = Exported(configuration, 4)
    parts = (resumed.net, resumed.optimizer, resumed.scheduler)
    for part, state in zip(parts, torch.load(file), strict=True):
        part.load_state_dict(state)
    resumed.done = kept.done
    for training in (kept, resumed):
        training.epoch()
        training.epoch()
    assert resumed.validation_loss == kept.validation_loss[2:]
    assert resumed.training_loss == kept.training_loss[2:]


def test_weights_to_judge_are_saved_with_those_to_train() -> None:
    configuration = Configuration("schedule_free_sgd", batch=8)
    training = Exported(configuration, EPOCHS)
    training.epoch()
    trained_weights = [p.detach().clone() for p in training.net.parameters()]
    training.optimizer.eval()
    training.optimizer.eval()  # twice is once
    judged = [p.detach().clone() for p in training.net.parameters()]
    assert all(not torch.equal(*pair) for pair in zip(judged, trained_weights, strict=True))
    resumed = Exported(configuration, EPOCHS)
    resumed.net.load_state_dict(training.net.state_dict())
    resumed.optimizer.load_state_dict(training.optimizer.state_dict())
    with pytest.raises(RuntimeError, match=r"call train\(\)"):
        resumed.optimizer.step()
    resumed.optimizer.train()
    weights = resumed.net.parameters()
    assert all(torch.equal(*pair) for pair in zip(weights, trained_weights, strict=True))


@pytest.mark.parametrize("name", ["sam", "sophia"])
def test_a_rule_that_probes_asks_for_the_loss(name: str) -> None:
    training = Exported(Configuration(name), EPOCHS)
    with pytest.raises(TypeError, match="needs a closure"):
        training.optimizer.step()


def test_parameters_come_in_one_group() -> None:
    optimizer = Exported(Configuration("lion"), EPOCHS).optimizer
    with pytest.raises(ValueError, match="one group of parameters"):
        optimizer.add_param_group({"params": [torch.zeros(2)]})


def test_frozen_parameters_stay() -> None:
    training = Exported(Configuration("lion", {"weight_decay": 0.5}, batch=8), EPOCHS)
    first, *others = training.net.parameters()
    first.requires_grad_(False)
    before = [p.detach().clone() for p in training.net.parameters()]
    training.epoch()
    assert torch.equal(first, before[0])
    assert not any(torch.equal(*pair) for pair in zip(others, before[1:], strict=True))


def test_a_closure_is_called_as_torch_calls_it() -> None:
    """Once, with gradients on; its loss comes back."""
    training = Exported(Configuration("lion"), EPOCHS)

    def closure() -> torch.Tensor:
        training.optimizer.zero_grad()
        loss = loss_of(training.net, TRAINING)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    before = [p.detach().clone() for p in training.net.parameters()]
    assert training.optimizer.step(closure) > 0
    after = training.net.parameters()
    assert not any(torch.equal(*pair) for pair in zip(after, before, strict=True))
