import numpy as np
import pytest

from studies.samplers.cube import Cube
from studies.samplers.model import Model
from studies.space import Space
from tests.studies.pretend import resolved


def test_half_of_what_is_near_good_trials_is_near_those_of_one_optimizer() -> None:
    spec = resolved(space={"optimizers": ["adam", "adagrad"]})
    cube, rng = Cube(Space(spec)), np.random.default_rng(0)
    ranked = cube.switched(rng.random((200, len(cube.axes))))
    optimizer = cube.chosen(ranked)[:, 0]
    ranked = ranked[np.argsort(optimizer, kind="stable")]  # every Adam before every Adagrad
    adams = int((optimizer == 0).sum())
    places = Model(cube, spec.goal, 400)._good(ranked, 4000, rng)
    of_adagrad = places >= adams
    # Of the second of two, a share of 1 - 1 / sqrt(2).
    assert np.mean(of_adagrad) == pytest.approx((1 - 0.5**0.5) / 2, abs=0.02)
    assert places[of_adagrad].max() < adams + 20
    assert places[~of_adagrad].max() < 20
