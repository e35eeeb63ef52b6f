"""Reports are made once for all who ask, and exact as soon as a job rests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from service import budgets, jobs, reports, summaries, tables
from service.errors import NotFound
from service.reports import Reports
from service.services import Services
from studies.report import Report, Summary, summarise
from tests.service.journeys import ENDLESS, until
from tests.service.test_runner import add_dataset, in_state, opened, queue, row

pytestmark = [pytest.mark.xdist_group("runner"), pytest.mark.timeout(300)]


def counted(made: list[str]) -> Callable[..., Summary]:
    def make(*arguments: Any) -> Summary:
        made.append(threading.current_thread().name)
        return summarise(*arguments)

    return make


@contextmanager
def ended(tmp_path: Path) -> Iterator[tuple[Services, str]]:
    """Services and a job that has ended, of which nobody else keeps anything any more."""
    with opened(tmp_path / "home") as services:
        job_id = queue(services, add_dataset(services))
        in_state(services, job_id, "completed")
        services.runner.stop()
        yield services, job_id


def test_a_report_is_made_again_only_when_its_job_has_gone_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(reports, "summarise", counted(made))
    with opened(tmp_path / "home") as services:
        kept = services.reports
        job_id = queue(services, add_dataset(services))
        in_state(services, job_id, "completed")
        first = kept.summary("ann", job_id)
        assert first.trials["completed"] + first.trials.get("diverged", 0) == 8
        assert kept.summary("ann", job_id) is first
        assert kept.report("ann", job_id).best == first.best
        assert len(made) == 1
        with pytest.raises(NotFound):
            kept.summary("bob", job_id)
        with services.database.write() as connection:
            jobs.delete(connection, "ann", job_id)
        with pytest.raises(NotFound):
            kept.summary("ann", job_id)


def test_who_asks_while_a_job_runs_shares_what_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(reports, "summarise", counted(made))
    with opened(tmp_path / "home") as services:
        kept = Reports(services.database)
        job_id = queue(services, add_dataset(services), **ENDLESS)
        until(lambda: row(services, job_id).trials_asked)
        found: list[Summary] = []

        def ask() -> None:
            found.extend(kept.summary("ann", job_id) for _ in range(50))

        askers = [threading.Thread(target=ask) for _ in range(8)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert len(found) == 400
        assert len(made) < 40  # a tenth of the time at most, and each in its own
        with services.database.write() as connection:
            jobs.cancel(connection, "ann", job_id)
        assert kept.is_behind(row(services, job_id), found[-1])
        last = kept.summary("ann", job_id)
        assert not kept.is_behind(row(services, job_id), last)
        assert last.trials == {"stopped": row(services, job_id).trials_stopped}


def test_the_summary_of_a_job_that_has_ended_is_there_when_the_server_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(reports, "summarise", counted(made))
    with opened(tmp_path / "home") as services:
        job_id = queue(services, add_dataset(services))
        in_state(services, job_id, "completed")
        until(lambda: made)  # by the job's own thread, before anybody asks
        first = services.reports.summary("ann", job_id)
    with opened(tmp_path / "home") as services:
        assert services.reports.summary("ann", job_id) == first
        assert len(made) == 1
        # More trials make another summary.
        with services.database.write() as connection:
            budgets.change(connection, "ann", job_id, {"trials": 12})
        services.runner.wake()
        until(lambda: row(services, job_id).trials_asked == 12)
        in_state(services, job_id, "completed")
        later = services.reports.summary("ann", job_id)
        assert sum(later.trials.values()) == 12
        with services.database.write() as connection:
            jobs.delete(connection, "ann", job_id)


def test_a_summary_that_an_earlier_version_kept_is_made_again(tmp_path: Path) -> None:
    with ended(tmp_path) as (services, job_id):
        made = services.reports.summary("ann", job_id)
        with services.database.write() as connection:
            connection.execute(update(tables.summaries).values(body='{"metric": "log_loss"}'))
        again = Reports(services.database)
        assert again.summary("ann", job_id) == made
        with services.database.read() as connection:
            bodies = connection.execute(select(tables.summaries.c.body)).scalars().all()
    assert bodies == [made.model_dump_json()]


def test_the_report_of_a_job_that_has_ended_is_there_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ended(tmp_path) as (services, job_id):
        first = services.reports.report("ann", job_id)
        again = Reports(services.database)
        monkeypatch.setattr(reports, "summarise", None)
        monkeypatch.setattr(reports, "report_on", None)
        assert again.report("ann", job_id) == first
        assert again.summary("ann", job_id) == Summary.model_validate(first.model_dump())


def test_a_summary_made_at_the_same_time_does_not_take_the_place_of_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ended(tmp_path) as (services, job_id):
        with services.database.write() as connection:
            summaries.forget(connection, job_id)

        def overtaken(*arguments: Any) -> Summary:
            Reports(services.database).report("ann", job_id)
            return summarise(*arguments)

        monkeypatch.setattr(reports, "summarise", overtaken)
        Reports(services.database).summary("ann", job_id)
        with services.database.read() as connection:
            assert summaries.load(connection, jobs.get(connection, "ann", job_id), Report)
