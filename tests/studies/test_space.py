from collections.abc import Callable
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optimizers.configuration import Configuration
from optimizers.registry import CLASSIC, RULES
from optimizers.schedules import CLASSIC as CLASSIC_SCHEDULES
from optimizers.schedules import SCHEDULES
from studies.errors import SHOWN, SpecError
from studies.space import Space
from tests.studies.pretend import resolved

Params = dict[str, Any]

EVERY = Space(resolved(space={"optimizers": "all", "schedules": "all"}))


def defaults(**space: Any) -> list[Configuration]:
    return Space(resolved(space=space)).defaults()


def stored(optimizer: str, schedule: str, draw: Callable[[str, BaseDistribution], Any]) -> Params:
    """Stored parameters of this optimizer and schedule, each drawn from its range."""
    named: Params = {"optimizer": optimizer, "schedule": schedule}
    return {
        name: named.get(name) or draw(name, distribution)
        for name, distribution in EVERY.distributions(named).items()
    }


def check_round_trip(params: Params) -> None:
    configuration = EVERY.configuration(params)
    again = EVERY.params(configuration)
    assert EVERY.configuration(again) == configuration
    distributions = EVERY.distributions(params)
    assert again.keys() == distributions.keys() == params.keys()
    for name, distribution in distributions.items():
        # Only a distance from 1 is rounded, once.
        rounded = name.partition(".")[2].startswith("1-")
        assert again[name] == (pytest.approx(params[name], abs=1e-15) if rounded else params[name])
        assert distribution._contains(distribution.to_internal_repr(again[name]))
    assert Configuration.from_dict(configuration.as_dict()) == configuration


@pytest.mark.parametrize("optimizer", RULES)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_what_is_stored_reads_back_as_the_same_configuration(
    optimizer: str, data: st.DataObject
) -> None:
    def draw(name: str, distribution: BaseDistribution) -> Any:
        if isinstance(distribution, CategoricalDistribution):
            return data.draw(st.sampled_from(distribution.choices), label=name)
        if isinstance(distribution, IntDistribution):
            return data.draw(st.integers(distribution.low, distribution.high), label=name)
        assert isinstance(distribution, FloatDistribution)
        return data.draw(st.floats(distribution.low, distribution.high), label=name)

    check_round_trip(stored(optimizer, data.draw(st.sampled_from(list(SCHEDULES))), draw))


@pytest.mark.parametrize("end", [0, -1])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_ends_of_every_range_read_back_as_well(schedule: str, end: int) -> None:
    def draw(name: str, distribution: Any) -> Any:
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[end]
        return (distribution.low, distribution.high)[end]

    for optimizer in RULES:
        check_round_trip(stored(optimizer, schedule, draw))


def test_whole_numbers_are_searched_as_whole_numbers() -> None:
    params = EVERY.params(Configuration("adam", schedule="cosine_restarts"))
    assert EVERY.distributions(params)["cosine_restarts.cycles"] == IntDistribution(2, 5)


def test_a_configuration_has_the_hyperparameters_of_its_optimizer_and_schedule_alone() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    optimizers, schedules = set(), set()
    for _ in range(400):
        trial = study.ask()
        configuration = EVERY.suggest(trial)
        assert EVERY.configuration(trial.params) == configuration
        assert trial.distributions == EVERY.distributions(trial.params)
        owners = {name.partition(".")[0] for name in trial.params if "." in name}
        assert owners <= {configuration.optimizer, configuration.schedule}
        optimizers.add(configuration.optimizer)
        schedules.add(configuration.schedule)
    assert (optimizers, schedules) == (set(RULES), set(SCHEDULES))


def test_names_say_whose_a_hyperparameter_is() -> None:
    named = EVERY.distributions({"optimizer": "adamw", "schedule": "cosine"})
    assert set(named) == {
        "optimizer", "schedule", "batch", "adamw.learning_rate", "adamw.1-beta1", "adamw.1-beta2",
        "adamw.weight_decay", "cosine.final", "warmup",
    }  # fmt: skip
    # Warm-up means the same before every schedule, so samplers learn it from all of them.
    assert (
        named["warmup"] == EVERY.distributions({"optimizer": "sgd", "schedule": "step"})["warmup"]
    )


def test_a_rate_near_one_is_searched_by_its_distance_from_one() -> None:
    found = EVERY.distributions({"optimizer": "adam", "schedule": "constant"})
    assert found["adam.1-beta1"] == FloatDistribution(1 - 0.98, 0.5, log=True)
    params = EVERY.params(Configuration("adam", {"beta1": 0.95}))
    assert params["adam.1-beta1"] == pytest.approx(0.05)


@pytest.mark.parametrize("name", RULES)
def test_the_default_of_every_optimizer_is_the_documented_one(name: str) -> None:
    (configuration, *_) = defaults(optimizers=[name], batch=[32])
    rule = RULES[name]
    documented = {h.name: h.default for h in rule.hyperparameters}
    assert configuration.hyperparameters == pytest.approx(documented, rel=1e-12)
    assert (configuration.schedule, configuration.batch) == ("constant", rule.batches or 32)
    assert configuration.schedule_hyperparameters == {"warmup": 0}


def test_defaults_come_in_order_and_then_the_forms_of_gradient_descent() -> None:
    found = [(each.optimizer, each.batch) for each in defaults()]
    forms = [("sgd", "full"), ("sgd", "single")]
    assert found == [*((name, 32) for name in CLASSIC), *forms]
    # All three forms, mini-batches first, from the one optimizer that is nothing else.
    assert [batch for name, batch in found if name == "sgd"] == [32, "full", "single"]


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({"optimizers": ["adam"], "batch": [64]}, [("adam", 64)]),
        ({"optimizers": ["adam"], "batch": ["full"]}, [("adam", "full")]),
        ({"optimizers": ["adam"], "batch": ["full", 64]}, [("adam", 64), ("adam", "full")]),
        (
            {"optimizers": ["adam", "sgd"], "batch": ["full", "single"]},
            [("adam", "full"), ("sgd", "full"), ("sgd", "single")],
        ),
    ],
)
def test_defaults_keep_to_the_batches_and_optimizers_that_were_chosen(
    space: dict[str, Any], expected: list[tuple[str, object]]
) -> None:
    assert [(each.optimizer, each.batch) for each in defaults(**space)] == expected


def test_defaults_use_the_first_chosen_schedule_if_none_is_constant() -> None:
    for configuration in defaults(schedules=["cosine", "step"]):
        assert configuration.schedule == "cosine"
        # Its default, 0, lies below what is searched.
        assert configuration.schedule_hyperparameters["final"] == 1e-4


@pytest.mark.parametrize(("low", "high"), [(1e-6, 1e-5), (0.002, 0.05), (20.0, 30.0)])
def test_a_given_range_holds_every_learning_rate_and_nothing_else(low: float, high: float) -> None:
    usual = {each.optimizer: each.hyperparameters for each in reversed(defaults())}
    for each in reversed(defaults(learning_rate={"low": low, "high": high})):
        expected = min(max(usual[each.optimizer]["learning_rate"], low), high)
        given = dict(each.hyperparameters)
        assert given.pop("learning_rate") == expected
        assert given.items() <= usual[each.optimizer].items()
    bounds = {"low": low, "high": high}
    space = Space(resolved(space={"schedules": "all", "learning_rate": bounds}))
    for name in RULES:
        params = {"optimizer": name, "schedule": "cosine"}
        given_range = FloatDistribution(low, high, log=True)
        expected_ranges = {
            each: given_range if each == f"{name}.learning_rate" else distribution
            for each, distribution in EVERY.distributions(params).items()
        }
        found = space.distributions(params) | {"optimizer": expected_ranges["optimizer"]}
        assert found == expected_ranges


def test_every_default_can_be_asked_for() -> None:
    for space in (EVERY, Space(resolved(space={"learning_rate": {"low": 1e-6, "high": 1e-5}}))):
        study = optuna.create_study()
        for configuration in space.defaults():
            study.enqueue_trial(space.params(configuration))
            assert space.suggest(study.ask()) == configuration  # a warning is an error here


@pytest.mark.parametrize(
    ("space", "field", "value", "allowed", "near"),
    [
        ({"optimizers": ["adamm"]}, "space.optimizers", "adamm", list(RULES), "'adam'"),
        (
            {"optimizers": ["sgd", "Nesterov"]},
            "space.optimizers",
            "Nesterov",
            list(RULES),
            "'nesterov'",
        ),
        ({"schedules": ["cosinus"]}, "space.schedules", "cosinus", list(SCHEDULES), "'cosine'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_ones(
    space: dict[str, Any], field: str, value: str, allowed: list[str], near: str
) -> None:
    with pytest.raises(SpecError, match=rf"Got '{value}'. Did you mean .*{near}") as caught:
        Space(resolved(space=space))
    assert (caught.value.field, caught.value.value) == (field, value)
    assert caught.value.allowed == allowed[:SHOWN]


@pytest.mark.parametrize(
    "space",
    [{"optimizers": ["adam", "adam"]}, {"schedules": ["step", "step"]}, {"batch": [32, 64, 32]}],
)
def test_a_name_twice_is_refused(space: dict[str, Any]) -> None:
    (field,) = space
    with pytest.raises(SpecError, match=f"space.{field} names .* more than once") as caught:
        Space(resolved(space=space))
    assert caught.value.field == f"space.{field}"


def test_a_spec_with_open_batches_is_refused() -> None:
    with pytest.raises(SpecError, match="batch is open"):
        Space(resolved(space={"batch": None}))


def test_classic_is_what_textbooks_name_and_all_is_everything() -> None:
    assert Space(resolved()).optimizers == list(CLASSIC)
    assert list(RULES) == EVERY.optimizers
    assert Space(resolved()).schedules == list(CLASSIC_SCHEDULES)
    assert list(SCHEDULES) == EVERY.schedules
