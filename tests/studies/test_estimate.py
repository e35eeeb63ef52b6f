"""What a study will cost: counts are exact, times are looked at in benchmarks."""

import pytest

from studies.estimate import estimate
from tests.studies.test_wave import study

SMALL = {"optimizers": ["sgd", "adam"], "schedules": ["constant"], "batch": [32, "full"]}


def test_trials_and_trainings_are_counted() -> None:
    spec, data = study("wine", space=SMALL, budget={"trials": 30, "epochs": 4})
    found = estimate(data, spec, workers=2)
    assert (found.trials, found.confirmation_trainings) == (30, 50)  # five finalists, ten seeds
    assert found.samples == (30 + 50) * 4 * len(data.train.inputs)


def test_a_comparison_confirms_the_runners_up_too() -> None:
    spec, data = study("wine", space=SMALL, budget={"trials": 30}, question="compare")
    assert estimate(data, spec, workers=2).confirmation_trainings == 80

    spec, data = study("wine", space=SMALL, confirmation={"seeds": 0})
    assert estimate(data, spec, workers=2).confirmation_trainings == 0


@pytest.mark.parametrize(
    ("more", "times"),
    [({"trials": 600}, 10), ({"trials": 60, "epochs": 40}, 10)],
    ids=["trials", "epochs"],
)
def test_more_work_takes_longer(more: dict[str, int], times: float) -> None:
    alone = {"space": SMALL, "confirmation": {"seeds": 0}}
    spec, data = study("wine", **alone, budget={"trials": 60, "epochs": 4})
    longer, _ = study("wine", **alone, budget={"trials": 60, "epochs": 4} | more)
    found, foretold = estimate(data, spec, workers=1), estimate(data, longer, workers=1)
    assert foretold.samples == times * found.samples
    assert foretold.seconds > 2 * found.seconds > 0


def test_memory_covers_the_data_and_grows_with_the_network() -> None:
    spec, data = study("diabetes", space=SMALL)
    wide, _ = study("diabetes", space=SMALL, model={"hidden": [512]})
    found = estimate(data, spec, workers=1).bytes
    assert found > sum(part.inputs.nbytes for part in (data.train, data.validation, data.test))
    assert estimate(data, wide, workers=1).bytes > 5 * found


def test_it_never_takes_longer_than_the_seconds_allowed() -> None:
    spec, data = study("wine", space=SMALL, budget={"trials": 10_000, "seconds": 0.5})
    assert estimate(data, spec, workers=1).seconds == 0.5
