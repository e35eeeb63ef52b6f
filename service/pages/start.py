"""GET /: from a file to a running job; GET /plan: what the form on it comes to."""

from typing import Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from sqlalchemy import Row
from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse

from optimizers.registry import RULES
from optimizers.schedules import SCHEDULES
from service import datasets
from service.ingest.upload import TextEncoding
from service.login import CurrentPrincipal
from service.pages import choices, commands, recognised
from service.pages.layout import fragment, page
from service.samples import SAMPLES
from service.schemas import DatasetView, dataset_view
from service.services import CurrentServices, Services
from service.tokens import Principal
from studies.data.features import READABLE
from studies.spec import METRICS

router = APIRouter()

RECENT = 8  # datasets that are offered at once
COLUMNS = 200  # whose kinds can be chosen here


@router.get("/")
def start(
    request: Request,
    services: CurrentServices,
    principal: CurrentPrincipal,
    dataset: str | None = None,
) -> HTMLResponse:
    """Drop a file or pick a sample, choose a question, press one button."""
    if dataset is None or not principal.may("submit"):
        return _choose(request, services, principal)
    with services.database.read() as connection:
        row = datasets.get(connection, principal.owner, dataset)
    return page(
        request,
        principal,
        "tune.html",
        first_rows=datasets.first_rows(services.store, row),
        chosen=request.query_params,
        time=choices.time_of(request.query_params),
        allowances=choices.ALLOWANCES,
        told=choices.told,
        options=choices.options,
        named_lists={"space.optimizers": RULES, "space.schedules": SCHEDULES},
        metrics=METRICS,
        readable=READABLE,
        most_columns=COLUMNS,
        **_planned(request, services, row),
    )


@router.get("/plan")
def plan(
    request: Request, services: CurrentServices, principal: CurrentPrincipal, dataset: str
) -> HTMLResponse:
    """The parts of the page that follow from what is chosen in its form."""
    with services.database.read() as connection:
        row = datasets.get(connection, principal.owner, dataset)
    return fragment("plan.html", **_planned(request, services, row))


def _choose(request: Request, services: Services, principal: Principal) -> HTMLResponse:
    """The page on which there is no dataset yet."""
    with services.database.read() as connection:
        recent, more = datasets.page(connection, principal.owner, after=None, limit=RECENT)
        called = datasets.called(connection, principal.owner, SAMPLES.keys())
    uploaded = {
        row.name: row.id
        for row in reversed(called)
        if (row.rows, row.target) == (SAMPLES[row.name].rows, SAMPLES[row.name].target)
    }
    return page(
        request,
        principal,
        "start.html",
        samples=SAMPLES.values(),
        uploaded=uploaded,
        recent=[dataset_view(row) for row in recent],
        more=more is not None,
        encodings=get_args(TextEncoding),
        asked_for=request.query_params.getlist("space.optimizers.own"),
        carried="".join(f"&{urlencode([each])}" for each in request.query_params.multi_items()),
    )


def _planned(request: Request, services: Services, row: Row[Any]) -> dict[str, Any]:
    """What the parts of `plan.html` ask for."""
    fields: QueryParams = request.query_params
    usual = recognised.usual_target(row)
    planned = recognised.plan(choices.spec_of(row.id, fields, usual), row)
    url = str(request.base_url).rstrip("/")
    view: DatasetView = dataset_view(row)
    return {
        "dataset": view,
        "plan": planned,
        "usual_target": usual,
        "target": recognised.target_of(services.store, row, planned),
        "texts": {
            "json": commands.as_json(planned.spec),
            "curl": commands.as_curl(url, planned.spec),
            "python": commands.as_python(url, planned.spec),
            "command": commands.as_command(url, planned.spec, row),
        },
    }
