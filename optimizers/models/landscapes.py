"""The classic landscapes over the plane: a point that rolls down, and nothing to learn from."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.errors import InvalidProblem, UnknownName, whole_number
from optimizers.problem import ByAutograd, Examples, Weights

Point = tuple[float, float]


@dataclass(frozen=True)
class Surface:
    """One landscape.

    Attributes:
        height: of every point: (..., 2) -> (...).
        start: the point that descents customarily begin from.
        domain: lowest and highest x, lowest and highest y of what is worth drawing.
        minima: the deepest points inside the domain.
        minimum: how high they lie.
        source: who made it, and where the start is from.
    """

    height: Callable[[Tensor], Tensor]
    start: Point
    domain: tuple[Point, Point]
    minima: tuple[Point, ...]
    minimum: float
    source: str


def _rosenbrock(point: Tensor) -> Tensor:
    x, y = point.unbind(-1)
    return (1 - x).square() + 100 * (y - x.square()).square()


def _beale(point: Tensor) -> Tensor:
    x, y = point.unbind(-1)
    terms = (
        (wanted - x * (1 - y**power)).square()
        for power, wanted in ((1, 1.5), (2, 2.25), (3, 2.625))
    )
    return sum(terms, start=torch.zeros_like(x))


def _branin(point: Tensor) -> Tensor:
    x, y = point.unbind(-1)
    parabola = y - 5.1 / (4 * math.pi**2) * x.square() + 5 / math.pi * x - 6
    return parabola.square() + 10 * (1 - 1 / (8 * math.pi)) * x.cos() + 10


def _himmelblau(point: Tensor) -> Tensor:
    x, y = point.unbind(-1)
    return (x.square() + y - 11).square() + (x + y.square() - 7).square()


def _rastrigin(point: Tensor) -> Tensor:
    return (point.square() - 10 * (2 * math.pi * point).cos() + 10).sum(-1)


def _saddle(point: Tensor) -> Tensor:
    x, y = point.unbind(-1)
    return x.square() / 2 + y.square().square() / 4 - y.square() / 2


def _ravine(point: Tensor) -> Tensor:
    x, y = point.unbind(-1)
    return (x.square() + 100 * y.square()) / 2


LANDSCAPES: dict[str, Surface] = {
    "rosenbrock": Surface(
        _rosenbrock,
        start=(-1.2, 1.0),
        domain=((-2.0, 2.0), (-1.0, 3.0)),
        minima=((1.0, 1.0),),
        minimum=0.0,
        source="Rosenbrock 1960, An automatic method for finding the greatest or least value",
    ),
    "beale": Surface(
        _beale,
        start=(1.0, 1.0),
        domain=((-4.5, 4.5), (-4.5, 4.5)),
        minima=((3.0, 0.5),),
        minimum=0.0,
        source="Beale 1958; Moré, Garbow & Hillstrom 1981, problem 5",
    ),
    # Without a customary start: the middle of its domain. Its valleys repeat outside of it.
    "branin": Surface(
        _branin,
        start=(2.5, 7.5),
        domain=((-5.0, 10.0), (0.0, 15.0)),
        minima=((-math.pi, 12.275), (math.pi, 2.275), (3 * math.pi, 2.475)),
        minimum=10 / (8 * math.pi),
        source="Branin 1972; Dixon & Szegö 1978",
    ),
    "himmelblau": Surface(
        _himmelblau,
        start=(0.0, 0.0),
        domain=((-5.0, 5.0), (-5.0, 5.0)),
        minima=(
            (3.0, 2.0),
            (-2.805118086952745, 3.131312518250573),
            (-3.779310253377747, -3.2831859912861696),
            (3.5844283403304917, -1.8481265269644036),
        ),
        minimum=0.0,
        source="Himmelblau 1972, Applied Nonlinear Programming",
    ),
    # Without a customary start: a few of its dents away from the deepest one.
    "rastrigin": Surface(
        _rastrigin,
        start=(-2.3, 3.4),
        domain=((-5.12, 5.12), (-5.12, 5.12)),
        minima=((0.0, 0.0),),
        minimum=0.0,
        source="Rastrigin 1974, Systems of extremal control",
    ),
    # x² - y² has no lowest point, so this is the saddle between two wells that Nesterov gives.
    # From his start, (1, 0), gradients lead straight to the saddle: here it is a hair beside it.
    "saddle": Surface(
        _saddle,
        start=(1.0, 0.001),
        domain=((-1.5, 1.5), (-1.5, 1.5)),
        minima=((0.0, -1.0), (0.0, 1.0)),
        minimum=-0.25,
        source="Nesterov 2004, Introductory Lectures on Convex Optimization, example 1.2.2",
    ),
    # The start from which steepest descent zigzags worst, (100, 1), ten times closer.
    "ravine": Surface(
        _ravine,
        start=(10.0, 0.1),
        domain=((-12.0, 12.0), (-1.2, 1.2)),
        minima=((0.0, 0.0),),
        minimum=0.0,
        source="Boyd & Vandenberghe 2004, Convex Optimization, section 9.3.2, with γ = 100",
    ),
}


class Landscape(ByAutograd):
    """The descent of one landscape; its only tensor is the ``point``, (2,).

    The loss is the height above the deepest point, so that it is 0 where all is done.

    Args:
        name: of an entry of `LANDSCAPES`.
        jitter: standard deviation of the trials' starts around the start.
        start: where descents begin; None for the customary one.
        gradient_noise: standard deviation of what each step adds to both slopes, as a batch does
            that is not all of the data. The same for trials with the same seed.

    Raises:
        UnknownName: no landscape has this name.
        InvalidProblem: a jitter or a noise below 0, or anything that is not finite.
    """

    def __init__(
        self,
        name: str,
        jitter: float = 0.0,
        *,
        start: Point | None = None,
        gradient_noise: float = 0.0,
    ) -> None:
        if name not in LANDSCAPES:
            raise UnknownName("landscape", name, LANDSCAPES)
        for field, deviation in (("jitter", jitter), ("gradient_noise", gradient_noise)):
            if not 0 <= deviation < math.inf:
                raise InvalidProblem(field, deviation, "a finite number at least 0")
        if start is not None and not all(map(math.isfinite, start)):
            raise InvalidProblem("start", start, "two finite numbers")
        self.surface = LANDSCAPES[name]
        self.jitter = jitter
        self.start = self.surface.start if start is None else start
        self.gradient_noise = gradient_noise

    def examples(self, steps: int) -> Examples:
        """Rows that hold nothing, to count steps by: an epoch is one step with the batch "full".

        Args:
            steps: rows: how many steps an epoch has with the batch "single".
        """
        whole_number("steps", steps, least=1)
        return Examples(torch.zeros(steps, 0), torch.zeros(steps))

    def check(self, examples: Examples) -> None:
        """Any will do: only their number counts."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The point alone."""
        return {"point": (2,)}

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """The start, and a normal draw beside it."""
        start = torch.tensor(self.start)
        return {"point": start + self.jitter * torch.randn(2, generator=generator)}

    def noise(self, generator: torch.Generator, batch: int) -> tuple[Tensor, ...]:
        """What the slopes are off by, if they are."""
        return (torch.randn(2, generator=generator),) if self.gradient_noise else ()

    def loss(
        self, weights: Weights, inputs: Tensor, targets: Tensor, noise: tuple[Tensor, ...]
    ) -> Tensor:
        """Height above the deepest point, (K,), whatever the batch."""
        point = weights["point"]
        height = self.surface.height(point) - self.surface.minimum
        for draw in noise:  # a tilt of the landscape around the point: of other slope, as high
            tilt = (self.gradient_noise * draw * point).sum(-1)
            height = height + (tilt - tilt.detach())
        return height

    def evaluate(self, weights: Weights, examples: Examples) -> dict[str, Tensor]:
        """Height above the deepest point, ``distance`` to the nearest such, ``x`` and ``y``: (K,)."""
        point = weights["point"].double()
        minima = point.new_tensor(self.surface.minima)  # (minima, 2)
        height = self.surface.height(point) - self.surface.minimum
        return {
            "loss": height.clamp(min=0),  # where rounding would have it lie below
            "distance": (point.unsqueeze(1) - minima).square().sum(2).sqrt().amin(1),
            "x": point[:, 0],
            "y": point[:, 1],
        }
