"""All trials of a job as one file, over HTTP."""

import io
from typing import Any

import httpx
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select, update

from service import tables, tokens, trials
from service.errors import NotFound
from service.routes.trial_files import TRIALS_AT_ONCE, _read
from studies.search import Search
from studies.space import Space
from studies.spec import StudySpec
from tests.service.conftest import Live
from tests.service.journeys import ENDLESS, Json, ended, submit, table, training, upload, walk
from tests.service.test_problems import problem
from tests.studies.pretend import ended as pretended

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


MANY = 2 * TRIALS_AT_ONCE + 7


@pytest.fixture(scope="module")
def done(shared_live: Live) -> Json:
    """A job of which some trials diverged."""
    dataset = upload(shared_live.client, table(), target="kind")
    space = {
        "optimizers": ["sgd", "adam"],
        "schedules": ["constant", "step"],
        "batch": [16, "full"],
    }
    space |= {"learning_rate": {"low": 1e-3, "high": 1e4}}
    spec: Json = {"space": space, "budget": {"trials": 40, "epochs": 3}, "sampler": "random"}
    found = ended(shared_live.client, submit(shared_live.client, dataset, **spec)["id"])
    assert found["counts"]["diverged"]
    return found


def download(live: Live, job: Json, form: str) -> httpx.Response:
    answer = live.client.get(f"/v1/jobs/{job['id']}/trials.{form}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="trials.{form}"'
    return answer


def csv(live: Live, job: Json) -> pd.DataFrame:
    answer = download(live, job, "csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return pd.read_csv(io.BytesIO(answer.content))


def parquet(live: Live, job: Json) -> Any:
    answer = download(live, job, "parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    return pq.read_table(io.BytesIO(answer.content))


def test_both_files_hold_every_trial(shared_live: Live, done: Json) -> None:
    frame, found = csv(shared_live, done), parquet(shared_live, done)
    listed = walk(shared_live.client, f"/v1/jobs/{done['id']}/trials")
    assert list(frame["number"]) == [trial["number"] for trial in listed] == list(range(40))
    rows = found.to_pylist()
    for trial, row in zip(listed, rows, strict=True):
        config = trial["config"]
        for key in ("number", "origin", "outcome", "value", "seconds", "epochs", "diverged_at"):
            assert row[key] == trial[key]
        assert row["optimizer.learning_rate"] == config["optimizer"]["learning_rate"]
        assert row["schedule.warmup"] == config["schedule"]["warmup"]
        assert row["batch"] == str(config["batch"])
        assert {name: row[name] for name in trial["metrics"]} == trial["metrics"]
    pd.testing.assert_frame_equal(frame, found.to_pandas(), check_dtype=False)


def test_a_file_may_be_had_while_the_job_runs(shared_live: Live, done: Json) -> None:
    job = submit(shared_live.client, {"id": done["dataset"]}, **ENDLESS)
    training(shared_live.client, job["id"])
    frame = csv(shared_live, job)
    shared_live.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert "running" in set(frame["outcome"])
    assert list(frame["number"]) == list(range(len(frame)))


def test_a_job_without_trials_has_a_file_without_rows(shared_live: Live, done: Json) -> None:
    dataset = {"id": done["dataset"]}
    running, waiting = (
        submit(shared_live.client, dataset, **ENDLESS),
        submit(shared_live.client, dataset),
    )
    frame, found = csv(shared_live, waiting), parquet(shared_live, waiting)
    for each in (waiting, running):
        shared_live.client.post(f"/v1/jobs/{each['id']}/cancel")
    assert (len(frame), found.num_rows) == (0, 0)
    assert list(frame.columns) == found.column_names


@pytest.fixture
def many(shared_live: Live, done: Json) -> Json:
    """A job with more trials than are read at once."""
    dataset = {"id": done["dataset"]}
    running, job = (submit(shared_live.client, dataset, **ENDLESS) for _ in range(2))
    for each in (job, running):  # the second before it has begun
        shared_live.client.post(f"/v1/jobs/{each['id']}/cancel")
    spec = StudySpec.model_validate(job["spec"])
    asked = Search(spec).ask(MANY)
    mine = tables.jobs.c.id == job["id"]
    with shared_live.services.database.write() as connection:
        (study,) = connection.execute(select(tables.jobs.c.study_id).where(mine)).one()
        assert trials.read(connection, study) == []
        trials.insert_running(connection, study, asked)
        trials.finish(connection, study, [pretended(Space(spec), trial) for trial in asked])
        connection.execute(update(tables.jobs).where(mine).values(trials_asked=MANY))
    return job


def test_more_trials_than_are_read_at_once_are_all_there(shared_live: Live, many: Json) -> None:
    read = csv(shared_live, many)["number"], parquet(shared_live, many)["number"].to_pylist()
    for numbers in read:
        assert list(numbers) == list(range(MANY))


def test_a_job_that_is_deleted_meanwhile_has_half_a_file_at_most(
    shared_live: Live, many: Json
) -> None:
    """Its study's id may be another's by then."""
    _, batches = _read(shared_live.services, tokens.LOCAL_OWNER, many["id"])
    assert next(batches).num_rows == TRIALS_AT_ONCE
    assert shared_live.client.delete(f"/v1/jobs/{many['id']}").status_code == 204
    with pytest.raises(NotFound):
        next(batches)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_job_that_is_not_there_has_no_file(shared_live: Live, form: str) -> None:
    answer = shared_live.client.get(f"/v1/jobs/nothing/trials.{form}")
    assert problem(answer)["status"] == 404
