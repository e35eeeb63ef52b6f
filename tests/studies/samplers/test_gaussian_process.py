import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

from studies.samplers.gaussian_process import GaussianProcess, Posterior

GROUPS = np.array([0, 1, 1, 2, 2, 3, 4, 5, 6])


def sample(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (rows, len(GROUPS)))
    y = np.sin(3 * x[:, 0]) + 0.3 * x[:, 5] + 0.05 * rng.standard_normal(rows)
    return x, (y - y.mean()) / y.std()


def test_draws_have_the_mean_and_spread_that_scikit_learn_finds() -> None:
    x, y = sample(40)
    elsewhere, _ = sample(15, seed=1)
    process = GaussianProcess(x, y, GROUPS)
    draws = process.draw(elsewhere, 4000, np.random.default_rng(0))
    theta = process.length_scales
    kernel = Matern(theta[GROUPS], "fixed", nu=2.5) + WhiteKernel(process.noise, "fixed")
    other = GaussianProcessRegressor(kernel, optimizer=None, alpha=1e-5).fit(x, y)
    mean, covariance = other.predict(elsewhere, return_cov=True)
    noiseless = covariance - process.noise * np.eye(len(elsewhere))
    assert draws.mean(0) == pytest.approx(mean, abs=0.06)
    assert np.cov(draws.T) == pytest.approx(noiseless, abs=0.06)
    foretold, deviation = process.predict(elsewhere)
    assert foretold == pytest.approx(mean, abs=1e-3)
    assert deviation == pytest.approx(np.sqrt(noiseless.diagonal()), abs=1e-3)


def test_a_row_held_out_is_foretold_as_if_it_had_not_been_seen() -> None:
    x, y = sample(30)
    process = GaussianProcess(x, y, GROUPS)
    kernel = Matern(process.length_scales[GROUPS], "fixed", nu=2.5)
    kernel += WhiteKernel(process.noise, "fixed")
    elsewhere = np.random.default_rng(2).uniform(-1, 1, (30, 4, len(GROUPS)))
    found = process.held_out(elsewhere)
    for row in range(30):
        seen = np.arange(30) != row
        other = GaussianProcessRegressor(kernel, optimizer=None, alpha=1e-5).fit(x[seen], y[seen])
        assert found[row] == pytest.approx(other.predict(elsewhere[row]), abs=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 40])
def test_the_slope_of_the_posterior_is_that_of_its_values(rows: int) -> None:
    x, y = sample(40)
    twins = np.repeat(x[:rows], 2, 0), np.repeat(y[:rows], 2)
    posterior = Posterior(*twins, GROUPS)
    rng = np.random.default_rng(rows)
    for _ in range(5):
        numbers = np.append(rng.normal(0, 1, 7), rng.uniform(-5, 0))
        slope = approx_fprime(numbers, lambda at: posterior(at)[0], 1e-6)
        assert posterior(numbers)[1] == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_what_matters_gets_a_shorter_length_than_what_does_not() -> None:
    process = GaussianProcess(*sample(120), GROUPS)
    lengths = process.length_scales
    assert lengths[0] == min(lengths)
    assert lengths[3] < lengths[4]
    assert process.noise < 0.2


def test_the_same_trials_give_the_same_draws() -> None:
    x, y = sample(30)
    first, second = (
        GaussianProcess(x, y, GROUPS).draw(x[:5], 3, np.random.default_rng(1)) for _ in range(2)
    )
    assert first.tolist() == second.tolist()


def test_twins_and_a_single_trial_are_no_trouble() -> None:
    x, y = sample(2)
    alone = GaussianProcess(x[:1], y[:1] * 0, GROUPS)
    assert np.isfinite(alone.draw(np.repeat(x, 3, 0), 5, np.random.default_rng(0))).all()
    twins = GaussianProcess(np.repeat(x, 40, 0), np.repeat(y, 40), GROUPS)
    assert np.isfinite(twins.draw(np.repeat(x, 3, 0), 5, np.random.default_rng(0))).all()
