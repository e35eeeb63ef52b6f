from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Table, select, update

from service import tables
from service.retention import delete_old_jobs
from service.services import Services, open_services
from service.settings import Settings
from service.trials import optuna_tables
from tests.service.journeys import until
from tests.service.test_runner import add_dataset, in_state, opened, queue

pytestmark = [pytest.mark.xdist_group("runner"), pytest.mark.timeout(300)]


def kept(services: Services, table: Table, column: str) -> set[str]:
    with services.database.read() as connection:
        return set(connection.execute(select(table.c[column])).scalars())


def test_only_jobs_that_ended_long_ago_are_deleted(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with opened(home) as services:
        dataset = add_dataset(services)
        old, new, waiting = (queue(services, dataset) for _ in range(3))
        for job_id in (old, new, waiting):
            in_state(services, job_id, "completed")
        with services.database.write() as connection:
            long_ago = tables.now() - timedelta(days=8)
            table = tables.jobs
            connection.execute(
                update(table).where(table.c.id.in_([old, waiting])).values(finished=long_ago)
            )
            connection.execute(update(table).where(table.c.id == waiting).values(state="paused"))
        delete_old_jobs(services.database, services.dashboard, timedelta(days=9))
        assert kept(services, tables.jobs, "id") == {old, new, waiting}
    with open_services(Settings(home=home, workers=1, keep_jobs_days=7)) as services:
        until(lambda: kept(services, tables.jobs, "id") == {new, waiting})
        assert kept(services, tables.datasets, "id") == {dataset}
        studies = kept(services, optuna_tables.studies, "study_name")
        assert studies == {f"job-{new}", f"job-{waiting}"}
