"""GET /samples/{name}.csv: a table to begin with, for the start page to upload as any other."""

from fastapi import APIRouter
from starlette.responses import Response

from service.errors import NotFound
from service.samples import SAMPLES, as_csv

router = APIRouter()


@router.get("/samples/{name}.csv")
def one(name: str) -> Response:
    """A sample as CSV."""
    if name not in SAMPLES:
        raise NotFound(
            f"There is no sample {name!r}.", field="name", value=name, allowed=list(SAMPLES)
        )
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(as_csv(name), media_type="text/csv", headers=headers)
