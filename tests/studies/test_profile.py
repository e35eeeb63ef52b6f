from collections.abc import Mapping

import numpy as np
import pytest

from studies.profile import LARGEST_RATIO, TARGET, Profile, Workload, profile

Times = Mapping[str, int | None]


def workload(times: Times, *, maximize: bool = False) -> Workload:
    """Optimizers that jump to the best score at an epoch, or never leave the untrained one."""
    sign = -1.0 if maximize else 1.0
    return Workload(
        curves={
            name: {
                epoch: sign * (2.0 if at is None or epoch < at else 1.0) for epoch in range(1, 41)
            }
            for name, at in times.items()
        },
        untrained=sign * 2.0,
        maximize=maximize,
    )


def areas(found: Profile) -> dict[str, float]:
    return {one.optimizer: one.area for one in found.optimizers}


@pytest.mark.parametrize("maximize", [False, True])
def test_a_profile_counts_who_is_how_quick(maximize: bool) -> None:
    found = profile(
        workload(times, maximize=maximize)
        for times in ({"adam": 2, "sgd": 4}, {"adam": 9, "sgd": 3}, {"adam": 5, "sgd": None})
    )
    assert (found.studies, found.target) == (3, TARGET)
    adam, sgd = found.optimizers
    assert (adam.optimizer, adam.studies, adam.reached) == ("adam", 3, 3)
    assert (sgd.optimizer, sgd.studies, sgd.reached) == ("sgd", 3, 2)
    at = {ratio: place for place, ratio in enumerate(found.ratios)}
    assert [adam.fractions[at[r]] for r in (1, 2.9, 3, 4)] == [2 / 3, 2 / 3, 1, 1]
    assert [sgd.fractions[at[r]] for r in (1, 1.9, 2, 4)] == [1 / 3, 1 / 3, 2 / 3, 2 / 3]
    # As AlgoPerf: the mean of (4 - ratio) / 3.
    assert areas(found) == pytest.approx({"adam": 7 / 9, "sgd": 5 / 9})


def test_the_area_is_the_integral_of_the_profile() -> None:
    rng = np.random.default_rng(0)
    times = [{name: int(rng.integers(1, 40)) for name in "abc"} for _ in range(400)]
    found = profile(map(workload, times))
    for one in found.optimizers:
        integral = np.trapezoid(one.fractions, found.ratios) / (LARGEST_RATIO - 1)
        assert one.area == pytest.approx(integral, abs=0.02)
        assert one.fractions == sorted(one.fractions)
    assert list(areas(found).values()) == sorted(areas(found).values(), reverse=True)


def test_the_target_is_most_of_the_way_to_the_best() -> None:
    short = 2.0 - 0.99 * TARGET
    curves = {"adam": {5: 1.5, 10: 1.0}, "sgd": {5: 2.0 - TARGET, 10: 1.2}, "lion": {10: short}}
    assert Workload(curves, 2.0, maximize=False).epochs() == {
        "adam": 10, "sgd": 5, "lion": float("inf"),
    }  # fmt: skip


def test_whoever_completed_no_trial_never_reaches_it() -> None:
    found = profile([Workload({"adam": {1: 1.0}, "sgd": {}}, 2.0, maximize=False)])
    assert areas(found) == {"adam": 1.0, "sgd": 0.0}


def test_an_optimizer_counts_only_where_it_took_part() -> None:
    found = profile(map(workload, [{"adam": 2, "sgd": 4}, {"adam": 3, "lion": 3}]))
    assert {one.optimizer: one.studies for one in found.optimizers} == {
        "adam": 2, "sgd": 1, "lion": 1,
    }  # fmt: skip
    assert list(areas(found)) == ["adam", "lion", "sgd"]


@pytest.mark.parametrize(
    "alone",
    [
        Workload({}, 2.0, maximize=False),
        Workload({"adam": {1: 1.0}}, 2.0, maximize=False),
        Workload({"adam": {1: 2.5}, "sgd": {1: 2.0}}, 2.0, maximize=False),
        Workload({"adam": {}, "sgd": {}}, 2.0, maximize=False),
        Workload({"adam": {1: 1.0}, "sgd": {1: 1.0}}, float("inf"), maximize=False),
        Workload({"adam": {1: float("nan")}, "sgd": {1: float("inf")}}, 2.0, maximize=False),
    ],
)
def test_a_study_without_a_race_says_nothing(alone: Workload) -> None:
    found = profile([alone])
    assert (found.studies, found.optimizers) == (0, [])
    assert profile([alone, workload({"adam": 2, "sgd": 4})]).studies == 1
