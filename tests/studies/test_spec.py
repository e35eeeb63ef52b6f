from typing import Any, get_args

import pytest
from pydantic import ValidationError

from studies.spec import GOALS, METRICS, Metric, StudySpec, Task


def test_everything_may_be_left_out() -> None:
    spec = StudySpec()
    assert (spec.target, spec.task, spec.metric, spec.space.batch) == (None, None, None, None)
    assert spec.budget.trials == 100
    assert spec.sampler == "model"


def test_a_spec_reads_back_from_its_json() -> None:
    given = {
        "target": "y",
        "task": "regression",
        "metric": "r2",
        "columns": {"zip": "categorical"},
        "split": {"kind": "grouped", "column": "g", "feature": True},
        "class_weight": {"a": 2.0},
        "model": {
            "kind": "mlp",
            "hidden": [8, 4],
            "channels": [4],
            "embedding": 8,
            "heads": 2,
            "activation": "tanh",
            "dropout": 0.1,
        },
        "space": {
            "optimizers": ["adam"],
            "learning_rate": {"low": 1e-4, "high": 0.1},
            "schedules": ["cosine"],
            "batch": ["full", 32, "single"],
        },
        "budget": {
            "trials": 7,
            "epochs": 3,
            "seconds": 1.5,
            "total_epochs": 50,
            "samples": 5000,
            "target": 0.1,
            "patience": 20,
        },
        "rungs": {"rule": "hyperband", "factor": 4, "audited": 0.1},
        "confirmation": {"seeds": 20},
        "question": "compare",
        "sampler": "random",
        "transfer": False,
        "seed": 2**32 - 1,
    }
    spec = StudySpec.model_validate(given)
    assert spec.model_dump(mode="json") == given
    assert StudySpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"colour": "blue"}, "colour"),
        ({"model": {"width": 3}}, "model.width"),
        ({"budget": {"trials": 0}}, "budget.trials"),
        ({"budget": {"trials": -5}}, "budget.trials"),
        ({"budget": {"trials": 100_001}}, "budget.trials"),
        ({"budget": {"trials": 1.5}}, "budget.trials"),
        ({"budget": {"epochs": 0}}, "budget.epochs"),
        ({"budget": {"total_epochs": 0}}, "budget.total_epochs"),
        ({"budget": {"samples": -1}}, "budget.samples"),
        ({"budget": {"target": "low"}}, "budget.target"),
        ({"budget": {"target": float("nan")}}, "budget.target"),
        ({"budget": {"patience": 0}}, "budget.patience"),
        ({"budget": {"seconds": 0}}, "budget.seconds"),
        ({"budget": {"seconds": float("nan")}}, "budget.seconds"),
        ({"budget": {"seconds": float("inf")}}, "budget.seconds"),
        ({"model": {"hidden": []}}, "model"),
        ({"model": {"hidden": [0]}}, "model.hidden.0"),
        ({"model": {"hidden": [8] * 9}}, "model.hidden"),
        ({"model": {"dropout": 1.0}}, "model.dropout"),
        ({"model": {"kind": "forest"}}, "model.kind"),
        ({"space": {"learning_rate": {"low": 0.1, "high": 0.1}}}, "space.learning_rate"),
        ({"space": {"learning_rate": {"low": 1, "high": 0.1}}}, "space.learning_rate"),
        ({"space": {"learning_rate": {"low": 0, "high": 0.1}}}, "space.learning_rate.low"),
        ({"space": {"batch": []}}, "space.batch"),
        ({"space": {"batch": [0]}}, "space.batch.0"),
        ({"space": {"batch": ["half"]}}, "space.batch.0"),
        ({"space": {"optimizers": []}}, "space.optimizers"),
        ({"space": {"schedules": "none"}}, "space.schedules"),
        ({"confirmation": {"seeds": 1}}, "confirmation.seeds"),  # nothing follows from one
        ({"confirmation": {"seeds": -1}}, "confirmation.seeds"),
        ({"sampler": "grid"}, "sampler"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"task": "clustering"}, "task"),
        ({"metric": "auc"}, "metric"),
        ({"target": 3}, "target"),
    ],
)
def test_what_does_not_make_sense_is_refused_by_the_name_of_its_field(
    given: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        StudySpec.model_validate(given)
    for error in caught.value.errors():
        assert ".".join(map(str, error["loc"])).startswith(field)


def test_a_linear_model_needs_no_widths() -> None:
    assert StudySpec.model_validate({"model": {"kind": "linear", "hidden": []}})


def test_every_metric_belongs_to_one_task() -> None:
    assert set(METRICS) == set(get_args(Task))
    of_tasks = [metric for metrics in METRICS.values() for metric in metrics]
    assert sorted(of_tasks) == sorted(get_args(Metric))
    assert {metric: goal.name for metric, goal in GOALS.items()} == {m: m for m in of_tasks}


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        StudySpec().seed = 3  # type: ignore[misc]
