from typing import Any

import pyarrow as pa
import pytest
from optuna.trial import FrozenTrial

from optimizers.registry import RULES
from optimizers.schedules import SCHEDULES
from studies import external
from studies.external import End, ExternalSpec, resolve_external
from studies.report import view
from studies.search import Search
from studies.space import Space
from studies.spec import StudySpec
from studies.trial_table import TrialTable
from tests.studies.pretend import ended, resolved

SPEC = resolved(
    space={"optimizers": ["sgd", "adam", "muon"], "schedules": ["constant", "step"]},
    sampler="random",
    seed=5,
)


def asked(spec: StudySpec, count: int) -> list[FrozenTrial]:
    return Search(spec).ask(count)


@pytest.fixture(scope="module")
def trials() -> list[FrozenTrial]:
    """Completed, dropped and diverged ones; the last is still running."""
    found = asked(SPEC, 60)
    done = [ended(Space(SPEC), trial) for trial in found[:-1]]
    for trial in done:
        dropped = "dropped" if "dropped_at" in trial.user_attrs else "diverged"
        trial.set_user_attr("outcome", "completed" if trial.values else dropped)
    return done + found[-1:]


@pytest.fixture(scope="module")
def rows(trials: list[FrozenTrial]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = TrialTable(SPEC).rows(trials).to_pylist()
    return found


def test_each_trial_has_a_row_with_all_that_was_tried(
    trials: list[FrozenTrial], rows: list[dict[str, Any]]
) -> None:
    assert [row["number"] for row in rows] == list(range(60))
    for trial, row in zip(trials, rows, strict=True):
        seen = view(trial, Space(SPEC))
        config = {part: dict(seen.config[part]) for part in ("optimizer", "schedule")}
        for part in ("optimizer", "schedule"):
            names = {name.partition(".")[2] for name in row if name.startswith(f"{part}.")}
            assert row[part] == config[part].pop("name")
            assert {name: row[f"{part}.{name}"] for name in config[part]} == config[part]
            assert all(row[f"{part}.{name}"] is None for name in names - config[part].keys())
        assert row["batch"] == str(seen.config["batch"])
        assert (row["wave"], row["seed"]) == (0, 5)


def test_each_trial_has_what_came_of_it(
    trials: list[FrozenTrial], rows: list[dict[str, Any]]
) -> None:
    outcomes = {row["outcome"] for row in rows}
    assert outcomes == {"completed", "dropped", "diverged", "running"}
    for trial, row in zip(trials, rows, strict=True):
        assert row["outcome"] == trial.user_attrs.get("outcome", "running")
        assert row["dropped_at"] == trial.user_attrs.get("dropped_at")
        assert row["value"] == (trial.values[0] if trial.values else None)
        assert row["log_loss"] == trial.user_attrs.get("metrics", {}).get("log_loss")
        assert row["origin"] == view(trial, Space(SPEC)).origin


def test_the_columns_follow_from_the_spec_alone(trials: list[FrozenTrial]) -> None:
    table = TrialTable(SPEC)
    assert table.rows([]).schema == table.rows(trials[:1]).schema == table.schema
    names = table.schema.names
    assert len(set(names)) == len(names)
    assert names[:9] == [
        "number", "wave", "seed", "origin", "outcome", "value", "loss", "log_loss", "accuracy",
    ]  # fmt: skip
    assert {"optimizer.momentum", "optimizer.beta1", "schedule.gamma"} <= set(names)
    regression = resolved(task="regression", metric="r2")
    assert {"rmse", "mae", "r2"} <= set(TrialTable(regression).schema.names)


def test_every_hyperparameter_of_the_catalogue_has_a_column() -> None:
    everything = resolved(space={"optimizers": "all", "schedules": "all"}, sampler="random")
    found = TrialTable(everything).rows(asked(everything, 100))
    for rule in RULES.values():
        assert {f"optimizer.{h.name}" for h in rule.hyperparameters} <= set(found.schema.names)
    for schedule in SCHEDULES.values():
        assert {f"schedule.{h.name}" for h in schedule.hyperparameters} <= set(found.schema.names)
    assert found["optimizer.learning_rate"].null_count < found.num_rows
    assert isinstance(found, pa.RecordBatch)


def test_what_others_measure_is_in_the_column_of_values_alone() -> None:
    """Under its own name it might stand in any other column."""
    own = {"mode": "external", "metric": {"name": "number", "direction": "minimize"}}
    spec = resolve_external(ExternalSpec.model_validate(own)).spec
    trials = asked(spec, 3)
    told = [external.ended(spec, trial, End("completed", 0.5)) for trial in trials]
    found = TrialTable(spec).rows(told)
    assert found["value"].to_pylist() == [0.5] * 3
    assert found["number"].to_pylist() == [0, 1, 2]
