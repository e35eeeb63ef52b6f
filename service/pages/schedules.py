"""GET /schedules and /schedules/{name}: what multiplies the learning rate over time."""

from functools import cache
from typing import Any

import torch
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from optimizers.schedules import SCHEDULES, Plateau, Schedule, factors
from service.errors import NotFound
from service.login import CurrentPrincipal
from service.pages.catalogue import reference, rows
from service.pages.formulas import formula
from service.pages.layout import page

router = APIRouter()

STEPS = 200
EPOCHS = 50  # among them, for the one schedule that looks at the loss
WARMUP = 0.1  # shown beside none
SHOWN = (0.0, 0.25, 0.5, 0.75, 1.0)

Curve = list[float]


@router.get("/schedules")
def every(request: Request, principal: CurrentPrincipal) -> HTMLResponse:
    """All schedules, each with its curve."""
    drawn = [
        (each, formula(each.formula), _points(each), _points(each, {"warmup": WARMUP}))
        for each in SCHEDULES.values()
    ]
    return page(request, principal, "schedules.html", schedules=drawn)


@router.get("/schedules/{name}")
def one(request: Request, principal: CurrentPrincipal, name: str) -> HTMLResponse:
    """One schedule: formula, curves, origin, hyperparameters."""
    if name not in SCHEDULES:
        raise NotFound("There is no schedule of this name.")
    schedule = SCHEDULES[name]
    curves = {label: curve(schedule, changed) for label, changed in settings(schedule).items()}
    places = [round(share * (STEPS - 1)) for share in SHOWN]
    return page(
        request,
        principal,
        "schedule.html",
        schedule=schedule,
        formula=formula(schedule.formula),
        hyperparameters=rows(schedule.hyperparameters, schedule.formula),
        reference=reference(schedule.reference),
        figure=_figure(curves),
        shares=SHOWN,
        table={label: [values[place] for place in places] for label, values in curves.items()},
        playable=not schedule.watches,
        others=[each for each in SCHEDULES if each != name],
    )


def settings(schedule: Schedule) -> dict[str, dict[str, float]]:
    """What to show: the defaults, a warm-up, and both ends of every range that is searched."""
    found: dict[str, dict[str, float]] = {
        "defaults": {},
        f"warmup {WARMUP:g}": {"warmup": WARMUP},
    }
    for h in schedule.hyperparameters:
        for end in (h.low, h.high):
            if h.name != "warmup" and end is not None and end != h.default:
                found[f"{h.name} {end:g}"] = {h.name: end}
    return found


def curve(schedule: Schedule, changed: dict[str, float]) -> Curve:
    """The factor at each of the steps, with some hyperparameters changed from their defaults."""
    columns = {
        h.name: torch.tensor([changed.get(h.name, h.default)], dtype=torch.float64)
        for h in schedule.hyperparameters
    }
    steps = torch.arange(STEPS, dtype=torch.float64)
    closed = factors(schedule, steps, STEPS, columns)[:, 0]
    if schedule.watches:
        closed *= _watched(columns)
    values: Curve = closed.tolist()
    return values


def _watched(columns: dict[str, torch.Tensor]) -> torch.Tensor:
    """What a plateau leaves of the rate, if the loss falls in the first fifth of the epochs alone."""
    watching = Plateau.start({"learning_rate": torch.ones(1, dtype=torch.float64), **columns})
    left = torch.empty(STEPS, dtype=torch.float64)
    length = STEPS // EPOCHS
    for epoch in range(EPOCHS):
        left[epoch * length : (epoch + 1) * length] = watching.factor
        loss = torch.tensor([1.0 / (1 + min(epoch, EPOCHS // 5))], dtype=torch.float64)
        watching.observe(loss, (epoch + 1) * length, STEPS)
    return left


@cache
def _curve_of_default(name: str, warmup: float) -> Curve:
    return curve(SCHEDULES[name], {"warmup": warmup})


def _points(schedule: Schedule, changed: dict[str, float] | None = None) -> str:
    """A curve as the points of a line, 200 wide and 80 high."""
    values = _curve_of_default(schedule.name, (changed or {}).get("warmup", 0.0))
    return " ".join(
        f"{200 * step / (STEPS - 1):.1f},{80 * (1 - value):.2f}"
        for step, value in enumerate(values)
    )


def _figure(curves: dict[str, Curve]) -> dict[str, Any]:
    shares = [step / (STEPS - 1) for step in range(STEPS)]
    dashes = ["solid", "dot", "dash", "dashdot", "longdash"]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines",
                "name": label,
                "x": shares,
                "y": values,
                "line": {"width": 3 if label == "defaults" else 1.5,
                         "dash": dashes[place % len(dashes)]},
                "visible": True if place < 2 else "legendonly",
            }
            for place, (label, values) in enumerate(curves.items())
        ],
        "layout": {
            "xaxis": {"title": {"text": "share of the training"}, "range": [0, 1]},
            "yaxis": {"title": {"text": "factor of the learning rate"}, "range": [-0.02, 1.05]},
            "showlegend": True,
            "legend": {"orientation": "h", "y": 1.15},
            "margin": {"l": 55, "r": 10, "t": 10, "b": 45},
            "height": 380,
        },
    }  # fmt: skip
