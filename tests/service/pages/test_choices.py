"""A form's fields as a spec: what differs from the defaults, and nothing else."""

from typing import Any

import pytest
from starlette.datastructures import QueryParams

from service.pages import choices
from service.schemas import JobSpec
from studies.spec import StudySpec

UNTOUCHED = [("question", "search"), ("time", "own"), ("target", "kind"), ("model.kind", "")]


def spec(*fields: tuple[str, str]) -> dict[str, Any]:
    """What a form says beside the dataset."""
    found = choices.spec_of("ID", QueryParams([("time", "own"), *fields]), "kind")
    assert found.pop("dataset") == "ID"
    return found


def test_an_untouched_form_leaves_everything_open() -> None:
    assert choices.spec_of("ID", QueryParams(UNTOUCHED), "kind") == {"dataset": "ID"}


@pytest.mark.parametrize("time", choices.ALLOWANCES)
def test_a_time_is_a_budget_that_the_api_takes(time: str) -> None:
    found = choices.spec_of("ID", QueryParams([("time", time), ("budget.trials", "7")]), "kind")
    allowance = choices.ALLOWANCES[time]
    budget = JobSpec.model_validate(found).budget
    assert (budget.seconds, budget.trials, budget.epochs) == (
        allowance.seconds,
        allowance.trials,
        allowance.epochs,
    )


def test_a_budget_without_a_time_is_ones_own() -> None:
    assert choices.time_of(QueryParams("budget.trials=5")) == "own"
    assert choices.time_of(QueryParams("target=kind")) == "minute"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("target", "size")], {"target": "size"}),
        ([("target", "1")], {"target": "1"}),  # a column's name is no number
        ([("name", "true")], {"name": "true"}),
        ([("question", "compare")], {"question": "compare"}),
        ([("model.kind", "mlp")], {"model": {"kind": "mlp"}}),  # else images decide it
        ([("model.hidden", "64, 32")], {"model": {"hidden": [64, 32]}}),
        ([("model.hidden", "128")], {}),
        ([("model.dropout", "0.5")], {"model": {"dropout": 0.5}}),
        ([("space.batch", "32; full")], {"space": {"batch": [32, "full"]}}),
        (
            [("space.optimizers", "own"), ("space.optimizers.own", "adam"), ("space.optimizers.own", "lion")],
            {"space": {"optimizers": ["adam", "lion"]}},
        ),
        ([("space.optimizers", "own")], {"space": {"optimizers": []}}),
        ([("space.optimizers", "all"), ("space.optimizers.own", "adam")], {"space": {"optimizers": "all"}}),
        ([("space.learning_rate.low", "1e-3")], {"space": {"learning_rate": {"low": 0.001}}}),
        ([("transfer", "false")], {"transfer": False}),
        ([("transfer", "true")], {}),
        ([("budget.trials", "1e3"), ("budget.epochs", "20")], {"budget": {"trials": 1000.0}}),
        ([("budget.trials", "many")], {"budget": {"trials": "many"}}),
        ([("budget.target", "nan")], {"budget": {"target": "nan"}}),  # which JSON has no word for
        ([("rungs.rule", "none"), ("rungs.factor", "4")], {}),
        ([("rungs.rule", "median"), ("rungs.audited", "0")], {"rungs": {"rule": "median", "audited": 0}}),
        ([("split.kind", "random"), ("split.column", "size")], {"split": {"kind": "random"}}),
        (
            [("split.kind", "grouped"), ("split.column", "7"), ("split.feature", "true")],
            {"split": {"kind": "grouped", "column": "7", "feature": True}},
        ),
        ([("split.column", "size")], {}),
        ([("columns.a.b", "categorical"), ("columns.c", "")], {"columns": {"a.b": "categorical"}}),
        ([("class_weight", "balanced"), ("metric", "accuracy")], {"class_weight": "balanced", "metric": "accuracy"}),
        ([("unheard", "of")], {}),
    ],
)  # fmt: skip
def test_fields_become_what_differs(
    fields: list[tuple[str, str]], expected: dict[str, Any]
) -> None:
    assert spec(*fields) == expected


def test_every_field_of_a_study_can_be_chosen() -> None:
    chosen = {name.partition(".")[0] for name in choices.PLAIN} | {"columns"}
    assert chosen == StudySpec.model_fields.keys() | {"name"}
