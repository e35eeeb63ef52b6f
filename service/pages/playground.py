"""GET /playground: watch optimizers go down a landscape, computed by the engine that trains."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from optimizers.errors import UnknownName
from optimizers.models.landscapes import LANDSCAPES
from optimizers.registry import FAMILIES
from service.errors import NotFound
from service.login import CurrentPrincipal
from service.pages import descents
from service.pages.asked import MOST_PATHS, MOST_STEPS, SCHEDULE_NAMES, Asked
from service.pages.descents import Descents
from service.pages.formulas import symbol
from service.pages.layout import page

router = APIRouter()

AN_HOUR = 3600

INTRODUCTIONS = {
    "rosenbrock": ("(1 − x)² + 100 (y − x²)²", "A bent valley with steep walls and a flat floor."),
    "beale": (
        "(1.5 − x + x y)² + (2.25 − x + x y²)² + (2.625 − x + x y³)²",
        "A flat plain between steep corners, and one narrow basin.",
    ),
    "branin": (
        "(y − 5.1 / (4 π²) · x² + 5/π · x − 6)² + 10 (1 − 1/(8 π)) cos x + 10",
        "Three basins that are equally deep.",
    ),
    "himmelblau": ("(x² + y − 11)² + (x + y² − 7)²", "A hill between four equally deep basins."),
    "rastrigin": (
        "20 + x² + y² − 10 (cos (2 π x) + cos (2 π y))",
        "A bowl full of dents, of which only the middle one is the deepest.",
    ),
    "saddle": (
        "½ x² + ¼ y⁴ − ½ y²",
        "Two basins, and between them a place where it is flat and yet goes down to both sides.",
    ),
    "ravine": ("½ (x² + 100 y²)", "A straight valley, a hundred times steeper across than along."),
}
"""Formula and character of each landscape."""


class Preset(NamedTuple):
    """A run that shows one thing.

    Attributes:
        name: of what it shows.
        query: that runs it.
        note: what to see.
    """

    name: str
    query: str
    note: str


PRESETS = (
    Preset(
        "A bent valley",
        "landscape=rosenbrock&path=sgd:0.002&path=momentum:0.001&path=adam:0.4&steps=200",
        "All of them are soon on the floor of the valley. From there to the star the way is long and almost flat: plain "
        "descent creeps, while momentum and Adam keep their speed around the bend.",
    ),
    Preset(
        "Too large a rate",
        "landscape=ravine&path=sgd:0.005&path=sgd:0.0195&path=sgd:0.0203&steps=120",
        "One rule at three rates. At 0.005 it glides to the floor and then creeps. At 0.0195 every step leaps across the "
        "floor, each a little less far. Above 0.02, which is two over the curvature of the walls, each leap is longer "
        "than the one before: it climbs out.",
    ),
    Preset(
        "Slow in a ravine",
        "landscape=ravine&path=sgd&path=momentum&path=nesterov&steps=150",
        "Each rule with the best of 26 rates. The steep walls allow gradient descent no larger rate, and along the floor "
        "the slope is a hundredth of theirs: it creeps. Momentum sums up the small slopes that agree.",
    ),
    Preset(
        "Leaving a saddle",
        "landscape=saddle&path=sgd:0.05&path=momentum:0.05&path=adam:0.02&path=rmsprop:0.01&steps=200",
        "They start a hair beside the ridge, and the slope leads to the saddle first, where it vanishes. Plain descent stays "
        "for over a hundred steps; momentum leaves sooner; Adam and RMSprop, which divide by the size of the slope, "
        "do not even come near.",
    ),
    Preset(
        "Caught in a dent",
        "landscape=rastrigin&path=sgd:0.003&path=adam:0.1&path=sgd:0.03:cosine&path=rmsprop:0.3:linear&steps=200",
        "Small steps end in the dent next to where they began, whatever the rule. Large ones leap over dents, and as a "
        "schedule makes them smaller they come to rest in a deeper one; none of these finds the deepest.",
    ),
    Preset(
        "What decay changes",
        "landscape=himmelblau&path=adam:0.3&path=adam:0.3:linear&path=adam:0.3:cosine&steps=200&noise=30",
        "Noisy slopes, as from small batches; the same rule, rate and noise for all. With a constant rate it never comes to "
        "rest: it swings about the basin. With a decaying one the swings die out.",
    ),
    Preset(
        "Uneven slopes",
        "landscape=ravine&path=sgd:0.0158&path=adagrad:1&path=rmsprop:0.1&path=adam:0.2&steps=100&x=-9&y=0.9",
        "Rules that divide each direction's slope by its usual size do not feel that one is a hundred times steeper: they go "
        "down both at once. On a bent valley, where the steep direction turns, this helps far less.",
    ),
)


@router.get("/playground")
async def playground(
    request: Request, principal: CurrentPrincipal, asked: Annotated[Asked, Query()]
) -> HTMLResponse:
    """The page, with the run that its address asks for."""
    return page(
        request,
        principal,
        "playground.html",
        asked=asked,
        found=await descents.in_turn(asked),
        families=FAMILIES,
        schedules=SCHEDULE_NAMES,
        landscapes={
            name: (symbol(text), said, LANDSCAPES[name])
            for name, (text, said) in INTRODUCTIONS.items()
        },
        presets=PRESETS,
        most_paths=MOST_PATHS,
        most_steps=MOST_STEPS,
        rates=len(descents.RATES),
    )


@router.get("/playground/paths")
async def paths(asked: Annotated[Asked, Query()]) -> Descents:
    """The paths alone, for a page that is open."""
    return await descents.in_turn(asked)


@router.get("/playground/surfaces/{name}")
def surface(name: str) -> Response:
    """A landscape to draw, for a browser to keep."""
    try:
        found = descents.surface(name)
    except UnknownName:
        raise NotFound("There is no landscape of this name.") from None
    return Response(
        found.model_dump_json(),
        media_type="application/json",
        headers={"Cache-Control": f"private, max-age={AN_HOUR}"},
    )
