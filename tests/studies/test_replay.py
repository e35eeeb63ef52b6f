from concurrent.futures import Future
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from studies.errors import SpecError
from studies.replay import replay
from studies.run import run_study
from studies.search import Search
from studies.spec import StudySpec
from studies.wave import TrialResult, WaveTrial, run_wave
from tests.studies.pretend import save
from tests.studies.test_wave import study

FIELDS: dict[str, Any] = {
    "budget": {"trials": 68, "epochs": 27},
    "rungs": {"audited": 0.1},
    "space": {"optimizers": "all", "schedules": "all", "batch": [16, "full"]},
    "seed": 4,
}


@pytest.fixture(scope="module")
def stored() -> list[FrozenTrial]:
    """All trials of a real study."""
    spec, data = study("wine", **FIELDS)

    def submit(
        spec: StudySpec, trials: list[WaveTrial], wave: int, seconds_left: float | None
    ) -> Future[list[TrialResult]]:
        done: Future[list[TrialResult]] = Future()
        done.set_result(run_wave(data, spec, trials, wave=wave))
        return done

    found: list[FrozenTrial] = []
    for event in run_study(spec, submit, in_flight=2):
        save(found, event)
    return found


def test_every_trial_trains_again_bit_for_bit_without_its_stack(stored: list[FrozenTrial]) -> None:
    spec, data = study("wine", **FIELDS)
    chosen = [t for t in stored if t.user_attrs["outcome"] in {"completed", "dropped"}]
    assert {t.user_attrs["outcome"] for t in chosen} == {"completed", "dropped"}
    assert len(chosen) >= 49
    for trial in chosen:
        again = replay(data, spec, trial)
        assert again.matches, trial.number
        assert again.curve


def test_another_number_is_no_match(stored: list[FrozenTrial]) -> None:
    spec, data = study("wine", **FIELDS)
    trial = next(t for t in stored if t.user_attrs["outcome"] == "completed")
    other = replay(data, spec.model_copy(update={"seed": 5}), trial)
    assert not other.matches


def test_only_what_reached_the_end_of_a_rung_can_be_replayed() -> None:
    spec, data = study("wine", **FIELDS)
    (running,) = Search(spec).ask(1)
    with pytest.raises(SpecError, match="It is running"):
        replay(data, spec, running)
