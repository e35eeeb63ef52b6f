"""GET /datasets and /datasets/{id}: what was uploaded, and what was recognised in it."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service import datasets, jobs
from service.ingest import extremes
from service.login import CurrentPrincipal
from service.pages import recognised
from service.pages.layout import page
from service.schemas import Cursor, dataset_view, job_view
from service.services import CurrentServices

router = APIRouter()

AT_ONCE = 50
JOBS = 10  # the newest, on a dataset's page
RANGED = frozenset({"numeric", "date"})  # kinds of columns of which the ends say something


@router.get("/datasets")
def listing(
    request: Request,
    services: CurrentServices,
    principal: CurrentPrincipal,
    cursor: Cursor = None,
) -> HTMLResponse:
    """All datasets, newest first."""
    with services.database.read() as connection:
        rows, following = datasets.page(connection, principal.owner, after=cursor, limit=AT_ONCE)
    return page(
        request,
        principal,
        "datasets.html",
        listed=[(dataset_view(row), recognised.usual_target(row)) for row in rows],
        cursor=cursor,
        following=following,
    )


@router.get("/datasets/{dataset_id}")
def one(
    request: Request, services: CurrentServices, principal: CurrentPrincipal, dataset_id: str
) -> HTMLResponse:
    """One dataset: its columns, how its target is spread, its first rows, the jobs on it."""
    with services.database.read() as connection:
        row = datasets.get(connection, principal.owner, dataset_id)
        wanted = jobs.Filter(dataset_id=dataset_id)
        found, more = jobs.page(connection, principal.owner, wanted, limit=JOBS)
    planned = recognised.plan({"dataset": row.id}, row)
    ranges = extremes(services.store.path(row.digest))
    view = dataset_view(row)
    return page(
        request,
        principal,
        "dataset.html",
        dataset=view,
        plan=planned,
        target=recognised.target_of(services.store, row, planned),
        ranges={
            c.name: ranges[c.name] for c in view.columns if c.kind in RANGED if c.name in ranges
        },
        first_rows=datasets.first_rows(services.store, row),
        jobs=[job_view(each) for each in found],
        more_jobs=more is not None,
    )
