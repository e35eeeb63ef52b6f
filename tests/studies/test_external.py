import math
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from studies.errors import SpecError
from studies.external import End, ExternalSpec, advise, ended, resolve_external, rungs_of
from studies.search import Search
from studies.spec import Goal, StudySpec

REWARD = {"name": "reward", "direction": "maximize"}


def asked(**spec: Any) -> ExternalSpec:
    return ExternalSpec.model_validate({"mode": "external", "metric": REWARD} | spec)


def resolved(**spec: Any) -> StudySpec:
    return resolve_external(asked(**spec)).spec


def test_what_is_left_open_is_settled() -> None:
    found = resolve_external(asked(metric="accuracy", budget={"trials": 7, "epochs": 5}))
    assert found.spec.goal == Goal(name="accuracy", direction="maximize", best=1.0)
    assert found.spec.space.batch == [32, 64, 128]
    assert found.inferred.keys() == {"space.batch"}
    assert (found.spec.budget.trials, found.spec.budget.epochs) == (7, 5)
    assert (found.spec.confirmation.seeds, found.spec.transfer) == (0, False)
    assert StudySpec.model_validate(found.spec.model_dump(mode="json")) == found.spec


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", "kind"),
        ("metric", {"name": "reward", "direction": "up"}),
        ("metric", {"name": "", "direction": "maximize"}),
        ("metric", {"name": "reward", "direction": "maximize", "best": math.inf}),
        ("budget", {"seconds": 60}),
        ("rungs", {"audited": 0.5}),
        ("sampler", "grid"),
    ],
)
def test_what_means_nothing_here_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        asked(**{field: value})


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(SpecError, match="adm"):
        resolved(space={"optimizers": ["adm"]})


def test_a_rung_judges_when_there_are_enough_to_compare() -> None:
    spec = resolved(rungs={"rule": "halving", "factor": 3}, budget={"epochs": 9})
    assert rungs_of(spec, 4) == [1, 3]
    assert advise(spec, 1, {0: 0.9, 1: 0.1}).goes_on  # of two nobody is the best third
    assert not advise(spec, 1, {0: 0.9, 1: 0.1, 2: 0.2}).goes_on
    assert advise(spec, 1, {0: 0.9, 1: 0.1, 2: 0.2}).threshold == 0.9
    assert advise(spec, 0, {0: 0.9, 1: 0.1, 2: 0.2}).goes_on
    low = resolved(
        metric={"name": "loss", "direction": "minimize"},
        rungs={"rule": "median"},
        budget={"epochs": 9},
    )
    assert advise(low, 1, {0: 0.9, 1: 0.1}).goes_on
    assert not advise(low, 0, {0: 0.9, 1: 0.1}).goes_on
    assert rungs_of(resolved(), 4) == []


def under_way(spec: StudySpec, reported: dict[int, float], dropped_at: int | None) -> FrozenTrial:
    (trial,) = Search(spec).ask(1)
    trial.intermediate_values = reported
    if dropped_at is not None:
        trial.user_attrs |= {"dropped_at": dropped_at, "threshold": 0.7}
    return trial


def test_a_trial_ends_as_it_was_told() -> None:
    spec = resolved(rungs={"rule": "halving"}, budget={"epochs": 9})
    reported = {1: 0.2, 2: 0.3, 3: 0.4}
    done = ended(spec, under_way(spec, reported, None), End("completed", 0.8, {"loss": 2.0}))
    assert (done.state, done.value) == (TrialState.COMPLETE, 0.8)
    assert done.user_attrs["metrics"] == {"reward": 0.8, "loss": 2.0}
    assert done.user_attrs["rungs"] == {"1": 0.2, "3": 0.4}
    assert done.user_attrs["epochs"] == 9
    assert done.intermediate_values == reported

    dropped = ended(spec, under_way(spec, reported, 1), End("dropped"))
    assert (dropped.state, dropped.values) == (TrialState.PRUNED, None)
    assert dropped.user_attrs["metrics"] == {"reward": 0.2}  # where it was judged
    assert (dropped.user_attrs["dropped_at"], dropped.user_attrs["epochs"]) == (1, 3)

    went_on = ended(spec, under_way(spec, reported, 1), End("completed", 0.8))
    assert (went_on.user_attrs["dropped_at"], went_on.user_attrs["threshold"]) == (None, None)

    lost = ended(spec, under_way(spec, {}, None), End("stopped", reason="out of memory"))
    assert (lost.state, lost.user_attrs["reason"]) == (TrialState.FAIL, "out of memory")
    assert (lost.user_attrs["metrics"], lost.user_attrs["epochs"]) == ({}, 0)


@pytest.mark.parametrize("best", [None, 0.0])
def test_the_sampler_learns_with_and_without_a_known_best(best: float | None) -> None:
    """A bowl around a learning rate; the best of the model is nearer its bottom than by chance."""

    def found(sampler: str) -> float:
        spec = resolved(
            metric={"name": "loss", "direction": "minimize", "best": best},
            space={"optimizers": ["adam"], "schedules": ["constant"], "batch": [32]},
            budget={"trials": 40},
            sampler=sampler,
            seed=3,
        )
        search, values = Search(spec), []
        while search.asked < 40:
            ends = []
            for trial in search.ask(4):
                rate = trial.params["adam.learning_rate"]
                values.append((math.log10(rate) + 1.6) ** 2)
                ends.append(ended(spec, trial, End("completed", values[-1])))
            search.tell(ends)
        return min(values)

    assert found("model") < 1e-3
    assert found("model") < found("random")
