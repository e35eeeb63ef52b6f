"""GET /v1/jobs/{id}/trials.csv and trials.parquet: every trial of a job in one file."""

from collections.abc import Iterator

import pyarrow as pa
from fastapi import APIRouter
from starlette.responses import StreamingResponse

from service import jobs, trials
from service.login import CurrentPrincipal
from service.services import CurrentServices, Services
from service.trial_files import as_csv, as_parquet
from studies.spec import StudySpec
from studies.trial_table import TrialTable

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"])

TRIALS_AT_ONCE = 500


class CsvFile(StreamingResponse):
    """A download of CSV."""

    media_type = "text/csv"


class ParquetFile(StreamingResponse):
    """A download of Parquet."""

    media_type = "application/vnd.apache.parquet"


@router.get("/trials.csv", response_class=CsvFile)
def csv_file(services: CurrentServices, principal: CurrentPrincipal, job_id: str) -> CsvFile:
    """Every trial as a row of CSV: outcome, scores, each hyperparameter a column.

    Text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    table, batches = _read(services, principal.owner, job_id)
    return CsvFile(as_csv(table.schema, batches), headers=_named("trials.csv"))


@router.get("/trials.parquet", response_class=ParquetFile)
def parquet_file(
    services: CurrentServices, principal: CurrentPrincipal, job_id: str
) -> ParquetFile:
    """The same as Parquet, in which every column has its type."""
    table, batches = _read(services, principal.owner, job_id)
    return ParquetFile(as_parquet(table.schema, batches), headers=_named("trials.parquet"))


def _read(
    services: Services, owner: str, job_id: str
) -> tuple[TrialTable, Iterator[pa.RecordBatch]]:
    """The columns of a job's trials, and its rows as they are asked for."""
    with services.database.read() as connection:
        row = jobs.get(connection, owner, job_id)
    table = TrialTable(StudySpec.model_validate(row.spec))

    def batches() -> Iterator[pa.RecordBatch]:
        # The trials there are now: a job under way would otherwise be followed.
        for first in range(0, row.trials_asked, TRIALS_AT_ONCE):
            last = min(first + TRIALS_AT_ONCE, row.trials_asked)
            with services.database.read() as connection:
                # It may be deleted meanwhile, and its study's id be another's.
                jobs.get(connection, owner, job_id)
                found = trials.read(connection, row.study_id, numbers=range(first, last))
            yield table.rows(found)

    return table, batches()


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
