"""Landscapes: heights and slopes are the formulas', minima are minima, descents get down."""

import math
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from torch import Tensor
from torch.func import jacrev

from optimizers.configuration import Batch, Configuration
from optimizers.errors import InvalidProblem, UnknownName
from optimizers.models.landscapes import LANDSCAPES, Landscape
from optimizers.training import train
from tests.optimizers.mixed import mixed

every_landscape = pytest.mark.parametrize("name", LANDSCAPES)

FORMULAS: dict[str, Callable[[float, float], float]] = {
    "rosenbrock": lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
    "beale": lambda x, y: (
        (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2
    ),
    "branin": lambda x, y: (
        (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
        + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x)
        + 10
    ),
    "himmelblau": lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2,
    "rastrigin": lambda x, y: (
        20 + x**2 + y**2 - 10 * (math.cos(2 * math.pi * x) + math.cos(2 * math.pi * y))
    ),
    "saddle": lambda x, y: x**2 / 2 + y**4 / 4 - y**2 / 2,
    "ravine": lambda x, y: (x**2 + 100 * y**2) / 2,
}
LOWEST = {"branin": 0.397887357729738, "saddle": -0.25}


def grid(name: str, side: int) -> Tensor:
    """Points all over the domain, (side², 2)."""
    axes = [torch.linspace(*ends, side, dtype=torch.float64) for ends in LANDSCAPES[name].domain]
    return torch.cartesian_prod(*axes)


def slope(problem: Landscape, points: Tensor) -> tuple[Tensor, Tensor]:
    """Losses and gradients at points, one a trial."""
    batch = torch.zeros(len(points), 3, 0), torch.zeros(len(points), 3)
    out = {"point": torch.full_like(points, torch.nan)}
    return problem.gradient({"point": points}, *batch, (), out), out["point"]


def adam(learning_rate: float, batch: Batch = "single") -> Configuration:
    return Configuration("adam", {"learning_rate": learning_rate}, batch=batch)


def test_each_landscape_has_a_formula_below() -> None:
    assert set(FORMULAS) == set(LANDSCAPES)


@every_landscape
def test_heights_are_the_formulas(name: str) -> None:
    points = grid(name, 21)
    wanted = torch.tensor([FORMULAS[name](*p) for p in points.tolist()], dtype=torch.float64)
    found = LANDSCAPES[name].height(points.view(21, 21, 2))
    assert found.shape == (21, 21)
    torch.testing.assert_close(found.flatten(), wanted, rtol=1e-13, atol=1e-12)


@every_landscape
def test_losses_are_heights_above_the_lowest_and_slopes_are_finite_differences(name: str) -> None:
    points, step = grid(name, 9), 1e-5
    losses, gradient = slope(Landscape(name), points)
    height = LANDSCAPES[name].height
    torch.testing.assert_close(losses, height(points) - LANDSCAPES[name].minimum)
    for axis, nudge in enumerate(step * torch.eye(2, dtype=torch.float64)):
        wanted = (height(points + nudge) - height(points - nudge)) / (2 * step)
        torch.testing.assert_close(gradient[:, axis], wanted, rtol=1e-6, atol=1e-5)


@every_landscape
def test_minima_are_minima(name: str) -> None:
    surface, problem = LANDSCAPES[name], Landscape(name)
    minima = torch.tensor(surface.minima, dtype=torch.float64)
    losses, gradient = slope(problem, minima)
    assert surface.minimum == pytest.approx(LOWEST.get(name, 0.0), abs=1e-15)
    torch.testing.assert_close(losses, torch.zeros_like(losses), rtol=0, atol=1e-13)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)
    for point in minima:
        curvature = jacrev(jacrev(surface.height))(point)
        assert torch.linalg.eigvalsh(curvature).min() > 0.3
    assert LANDSCAPES[name].height(grid(name, 301)).min() >= surface.minimum - 1e-13
    found = problem.evaluate({"point": minima}, problem.examples(1))
    assert found["distance"].tolist() == [0.0] * len(minima)


@every_landscape
def test_no_minimum_in_the_domain_is_missing(name: str) -> None:
    """Whatever grid point lies nearly as low as the minimum lies near one that is known."""
    problem, points = Landscape(name), grid(name, 401)
    found = problem.evaluate({"point": points}, problem.examples(1))
    assert found["distance"][found["loss"] < 0.02].max() < 1.0
    for lowest, highest, places in zip(
        *zip(*LANDSCAPES[name].domain, strict=True),
        zip(LANDSCAPES[name].start, *LANDSCAPES[name].minima, strict=True),
        strict=True,
    ):
        assert all(lowest < place < highest for place in places)


def test_the_saddle_of_saddle_is_flat_and_no_minimum() -> None:
    middle = torch.zeros(1, 2, dtype=torch.float64)
    losses, gradient = slope(Landscape("saddle"), middle)
    assert (losses.item(), gradient.tolist()) == (0.25, [[0.0, 0.0]])
    curvature = jacrev(jacrev(LANDSCAPES["saddle"].height))(middle[0])
    assert curvature.tolist() == [[1.0, 0.0], [0.0, -1.0]]


def test_distance_is_to_the_nearest_minimum() -> None:
    problem = Landscape("saddle")
    points = torch.tensor([[3.0, 5.0], [3.0, -5.0], [0.0, 0.5]])
    found = problem.evaluate({"point": points}, problem.examples(1))
    assert found["distance"].tolist() == [5.0, 5.0, 0.5]


def test_rounding_does_not_evaluate_to_below_the_lowest() -> None:
    problem = Landscape("branin")
    points = torch.tensor(LANDSCAPES["branin"].minima, dtype=torch.float64)
    points = points + 1e-9 * torch.randn(200, 3, 2, dtype=torch.float64)
    point = {"point": points.flatten(0, 1)}
    assert problem.loss(point, points, points, ()).min() < 0
    assert problem.evaluate(point, problem.examples(1))["loss"].min() == 0


@every_landscape
def test_trials_begin_at_the_start_or_around_it(name: str) -> None:
    start = torch.tensor(LANDSCAPES[name].start)
    exact, around = (
        [Landscape(name, jitter).initial(torch.Generator().manual_seed(s))["point"] for s in (3, 4)]
        for jitter in (0.0, 0.5)
    )
    assert torch.equal(exact[0], start)
    assert torch.equal(exact[1], start)
    draw = torch.randn(2, generator=torch.Generator().manual_seed(3))
    assert torch.equal(around[0], start + 0.5 * draw)
    assert not torch.equal(around[0], around[1])
    assert around[0].dtype == torch.float32


@pytest.mark.parametrize("epochs", [1, 3])
def test_descents_begin_where_they_are_told_and_say_where_they_are(epochs: int) -> None:
    problem = Landscape("ravine", start=(-4.0, 0.5))
    examples = problem.examples(1)
    sgd = Configuration("sgd", {"learning_rate": 0.005}, batch="full")
    (outcome,) = train(problem, examples, examples, [sgd], epochs=epochs, dtype=torch.float64)
    assert (outcome.untrained["x"], outcome.untrained["y"]) == (-4.0, 0.5)
    # At this rate x loses a 200th a step, and y half.
    steps = range(1, epochs + 1)
    assert outcome.metrics["x"] == pytest.approx([-4 * 0.995**step for step in steps])
    assert outcome.metrics["y"] == pytest.approx([0.5 * 0.5**step for step in steps])


def test_noise_tilts_the_slopes_and_leaves_the_heights() -> None:
    problem, points = Landscape("beale", gradient_noise=0.3), grid("beale", 5)
    (draw,) = problem.noise(torch.Generator().manual_seed(1), batch=1)
    assert draw.shape == (2,)
    draws = (draw.double().expand(len(points), 2),)
    losses, gradient = slope(Landscape("beale"), points)
    batch = torch.zeros(len(points), 3, 0), torch.zeros(len(points), 3)
    out = {"point": torch.empty_like(points)}
    assert torch.equal(problem.gradient({"point": points}, *batch, draws, out), losses)
    torch.testing.assert_close(out["point"] - gradient, 0.3 * draws[0], rtol=0, atol=1e-9)
    assert Landscape("beale").noise(torch.Generator(), batch=1) == ()


def test_noise_differs_by_step_and_seed_and_is_shared_by_trials() -> None:
    problem = Landscape("ravine", start=(1.0, 0.0), gradient_noise=1.0)
    examples = problem.examples(1)
    trials = [Configuration("sgd", {"learning_rate": 0.001}, batch="full")] * 3
    same, too, other = train(problem, examples, examples, trials, epochs=2, seeds=[1, 1, 2])
    assert same.diverged_at is None
    assert same.metrics["x"] == too.metrics["x"] != other.metrics["x"]
    first, second = same.metrics["x"]
    assert second - first != pytest.approx(first - 1, rel=0.01)


def test_examples_count_steps() -> None:
    problem = Landscape("ravine")
    examples = problem.examples(40)
    # At this rate, sgd multiplies x by 0.99 a step and y by 0.
    trials = [Configuration("sgd", {"learning_rate": 0.01}, batch=b) for b in ("single", "full", 7)]
    outcomes = train(problem, examples, examples, trials, epochs=2, dtype=torch.float64)
    for outcome, steps in zip(outcomes, (80, 2, 12), strict=True):
        assert outcome.metrics["distance"][-1] == pytest.approx(10 * 0.99**steps, rel=1e-9)
    assert outcomes[0].untrained["loss"] == pytest.approx(50.5, rel=1e-7)


@pytest.mark.parametrize(
    ("name", "learning_rate", "steps"),
    [
        ("rosenbrock", 0.3, 1000),
        ("beale", 0.1, 1000),
        ("branin", 0.1, 500),
        ("himmelblau", 0.1, 500),
        ("saddle", 0.1, 500),
        ("ravine", 0.1, 1000),
    ],
)
def test_adam_gets_down(name: str, learning_rate: float, steps: int) -> None:
    problem = Landscape(name)
    examples = problem.examples(steps)
    (outcome,) = train(problem, examples, examples, [adam(learning_rate)], epochs=1)
    assert outcome.diverged_at is None
    assert outcome.metrics["loss"][-1] < 1e-6
    assert outcome.metrics["distance"][-1] < 1e-3


def test_adam_is_caught_in_a_dent_of_rastrigin() -> None:
    problem = Landscape("rastrigin")
    examples = problem.examples(300)
    (outcome,) = train(problem, examples, examples, [adam(0.01)], epochs=1)
    assert 1 < outcome.metrics["loss"][-1] < outcome.untrained["loss"]


def test_gradient_descent_gets_down_the_ravine_below_the_rate_of_its_walls_and_not_above() -> None:
    problem = Landscape("ravine")
    examples = problem.examples(200)
    trials = [Configuration("sgd", {"learning_rate": r}, batch="single") for r in (0.0195, 0.0205)]
    below, above = train(problem, examples, examples, trials, epochs=3)
    assert below.metrics["loss"][-1] < 1e-4
    assert above.diverged_at is not None


@every_landscape
def test_a_trial_is_itself_in_any_stack(name: str) -> None:
    """Bit for bit: each number of a landscape is computed without the others."""
    problem = Landscape(name, jitter=0.1)
    examples = problem.examples(6)
    trials = mixed("single", ("sgd", "momentum", "adam", "sam", "sophia", "lamb", "prodigy"))
    seeds = [trial % 3 for trial in range(len(trials))]

    def run(stack_trials: int) -> list[object]:
        outcomes = train(
            problem, examples, examples, trials, epochs=2, seeds=seeds, stack_trials=stack_trials
        )
        return [replace(outcome, seconds=0.0) for outcome in outcomes]

    assert run(1) == run(3) == run(64)


def test_a_landscape_is_frozen_data() -> None:
    with pytest.raises(FrozenInstanceError):
        LANDSCAPES["ravine"].start = (0.0, 0.0)  # type: ignore[misc]
    assert all(surface.source for surface in LANDSCAPES.values())


def test_an_unknown_landscape_gets_the_nearest_names() -> None:
    with pytest.raises(UnknownName, match=r"^landscape must be beale, .*Did you mean 'branin'"):
        Landscape("brannin")


@pytest.mark.parametrize("jitter", [-0.1, math.inf, math.nan])
def test_a_wrong_jitter_is_refused(jitter: float) -> None:
    words = f"jitter must be a finite number at least 0. Got {jitter!r}."
    with pytest.raises(InvalidProblem, match=f"^{re.escape(words)}$"):
        Landscape("beale", jitter)


@pytest.mark.parametrize("noise", [-0.1, math.inf, math.nan])
def test_a_wrong_noise_is_refused(noise: float) -> None:
    with pytest.raises(InvalidProblem, match=r"^gradient_noise must be a finite number at least 0"):
        Landscape("beale", gradient_noise=noise)


@pytest.mark.parametrize("start", [(math.nan, 0.0), (0.0, math.inf)])
def test_a_start_nowhere_is_refused(start: tuple[float, float]) -> None:
    with pytest.raises(InvalidProblem, match=r"^start must be two finite numbers"):
        Landscape("beale", start=start)


def test_no_steps_are_refused() -> None:
    with pytest.raises(InvalidProblem, match=r"^steps must be a whole number at least 1. Got 0.$"):
        Landscape("beale").examples(0)
