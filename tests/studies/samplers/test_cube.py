import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from studies.samplers.cube import Cube
from studies.samplers.features import RATE, Features
from studies.space import Space
from tests.studies.pretend import resolved

WIDE = {"optimizers": "all", "schedules": "all"}
SPACE = Space(resolved(space=WIDE))
CUBE = Cube(SPACE)
points = arrays(np.float64, len(CUBE.axes), elements=st.floats(0, 1))


@given(points)
def test_every_point_is_a_configuration_and_comes_back(point: NDArray[np.float64]) -> None:
    (params,) = CUBE.params(point[None])
    assert set(params) == set(SPACE.distributions(params))
    for name, distribution in SPACE.distributions(params).items():
        assert distribution._contains(distribution.to_internal_repr(params[name]))
    SPACE.configuration(params)
    (again,) = CUBE.params(CUBE.point(params)[None])
    assert again == {
        name: pytest.approx(value) if isinstance(value, float) else value
        for name, value in params.items()
    }


@given(points)
def test_axes_are_off_where_their_parameters_do_not_exist(point: NDArray[np.float64]) -> None:
    (switched,) = CUBE.switched(point[None])
    on = {axis.name for axis, off in zip(CUBE.axes, np.isnan(switched), strict=True) if not off}
    assert [on] == [set(params) for params in CUBE.params(point[None])]


@pytest.mark.parametrize("configuration", SPACE.defaults(), ids=lambda one: str(one.optimizer))
def test_defaults_are_at_the_default_rate(configuration: Any) -> None:
    features = Features(CUBE)
    (row,) = features(CUBE.point(SPACE.params(configuration))[None])
    assert len(row) == len(features.groups)
    assert row[features.groups == RATE] == pytest.approx([0.0], abs=1e-9)


def test_rates_are_decades_from_the_default_whoever_has_them() -> None:
    features, decades = Features(CUBE), []
    for optimizer, rate in (("adam", 0.01), ("sgd", 1.0), ("momentum", 0.1)):
        defaults = next(c for c in SPACE.defaults() if c.optimizer == optimizer)
        params = SPACE.params(defaults) | {f"{optimizer}.learning_rate": rate}
        decades.append(float(features(CUBE.point(params)[None])[0, 0]))
    assert decades == pytest.approx([1.0, 1.0, 1.0])


def test_whole_numbers_own_equal_stretches() -> None:
    drops = next(axis for axis in CUBE.numbers if axis.name == "step.drops")
    found = [drops.from_unit((place + 0.5) / 300) for place in range(300)]
    assert {value: found.count(value) for value in found} == {1: 100, 2: 100, 3: 100}
    assert [drops.to_unit(value) for value in (1, 2, 3)] == pytest.approx([1 / 6, 1 / 2, 5 / 6])


def test_a_log_range_is_even_in_the_logarithm() -> None:
    rate = next(axis for axis in CUBE.numbers if axis.name == "adam.learning_rate")
    low, high = rate.distribution.low, rate.distribution.high
    assert rate.from_unit(0.0) == low
    assert rate.from_unit(0.5) == pytest.approx(math.sqrt(low * high))
    assert rate.from_unit(1.0) <= high
