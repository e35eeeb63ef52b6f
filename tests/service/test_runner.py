import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import select

from service import claims, datasets, jobs, tables, trials
from service.engine import Work
from service.idempotency import Asked
from service.services import Services, open_services
from service.settings import Settings
from service.sqlite_driver import driver
from service.worker import Wave
from studies.confirmation import Run
from studies.resolve import resolve
from studies.spec import StudySpec
from tests.service.databases import file_of
from tests.service.journeys import ENDLESS, SMALL, table, until

pytestmark = [pytest.mark.xdist_group("runner"), pytest.mark.timeout(300)]


@contextmanager
def opened(home: Path, workers: int = 1) -> Iterator[Services]:
    # Nothing listens: a runner needs no HTTP.
    with open_services(Settings(home=home, workers=workers)) as services:
        yield services


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """One for all tests: its jobs run one after another."""
    with opened(tmp_path_factory.mktemp("runner") / "home") as found:
        yield found


def add_dataset(services: Services, content: bytes = table(), owner: str = "ann") -> str:
    once = Asked(owner, key=None, operation="", replayed=lambda: None)
    with services.store.draft() as draft:
        draft.write_bytes(content)
        return datasets.add(
            services.database, services.store, draft, once, name="table", target="kind"
        )


def queue(services: Services, dataset_id: str, *, owner: str = "ann", **spec: Any) -> str:
    given = StudySpec.model_validate({"target": "kind"} | SMALL | spec)
    with services.database.write() as connection:
        dataset = datasets.get(connection, owner, dataset_id)
        job_id = jobs.create(
            connection,
            owner=owner,
            dataset_id=dataset_id,
            request={},
            resolved=resolve(given, datasets.schema(dataset)),
        )
    services.runner.wake()
    return job_id


def row(services: Services, job_id: str) -> Any:
    with services.database.read() as connection:
        return connection.execute(select(tables.jobs).where(tables.jobs.c.id == job_id)).one()


def in_state(services: Services, job_id: str, *states: str) -> Any:
    def look() -> Any:
        found = row(services, job_id)
        return found if found.state in states else None

    return until(look)


def stored(services: Services, job_id: str) -> list[FrozenTrial]:
    study_id = row(services, job_id).study_id
    with services.database.read() as connection:
        return trials.read(connection, study_id, intermediate=True)


def outcome(found: list[FrozenTrial]) -> list[tuple[Any, ...]]:
    return [(t.number, t.state, t.params, t.values, t.intermediate_values) for t in found]


def test_jobs_run_one_after_another_in_the_order_of_the_queue(services: Services) -> None:
    dataset = add_dataset(services)
    queued = [queue(services, dataset, seed=seed) for seed in range(3)]
    ended = [in_state(services, job_id, "completed") for job_id in queued]
    for job, following in pairwise(ended):
        assert job.finished <= following.started
    for job in ended:
        assert (job.attempt, job.trials_asked, job.waves_done, job.error) == (1, 8, 1, None)
        assert job.trials_completed + job.trials_diverged == 8
        assert job.started <= job.finished
        assert 0 < job.seconds <= (job.finished - job.started).total_seconds() + 0.1
        best = min((t for t in stored(services, job.id) if t.values), key=lambda t: t.values[0])
        assert (job.best_value, job.best_trial) == (best.values[0], best.number)


def test_jobs_of_two_owners_run_at_once_and_come_to_the_same(services: Services) -> None:
    ann, bob = add_dataset(services), add_dataset(services, owner="bob")
    budget = {"trials": 26, "epochs": 2}
    alone = in_state(services, queue(services, ann, budget=budget), "completed")
    # Of short waves, as there is one worker: whoever waits for it waits for a wave.
    long = queue(services, bob, owner="bob", budget={"trials": 5000, "epochs": 2})
    until(lambda: row(services, long).trials_asked)
    beside = in_state(services, queue(services, ann, budget=budget), "completed")
    assert row(services, long).state == "running"
    with services.database.write() as connection:
        jobs.cancel(connection, "bob", long)
    assert outcome(stored(services, beside.id)) == outcome(stored(services, alone.id))


def test_the_same_seed_gives_the_same_study(services: Services) -> None:
    dataset = add_dataset(services)
    budget = {"trials": 26, "epochs": 2}
    same = [queue(services, dataset, seed=3, budget=budget) for _ in range(2)]
    first, second = (
        stored(services, in_state(services, job_id, "completed").id) for job_id in same
    )
    assert outcome(first) == outcome(second)
    assert len(first) == 26


def test_a_study_that_was_interrupted_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = 2  # and so two waves under way
    budget = {"trials": 60, "epochs": 10}  # short waves: a stopping runner must not end them all
    home = tmp_path / "home"
    record_told = claims.record_told
    with opened(home, workers) as services:
        dataset = add_dataset(services)
        unbroken = in_state(services, queue(services, dataset, budget=budget), "completed")
        expected = outcome(stored(services, unbroken.id))

        def stop_after(*wave: Any) -> None:
            record_told(*wave)
            threading.Thread(target=services.runner.stop).start()

        monkeypatch.setattr(claims, "record_told", stop_after)
        broken = queue(services, dataset, budget=budget)
        until(lambda: row(services, broken).waves_done)
    monkeypatch.undo()
    with opened(home, workers) as services:
        job = in_state(services, broken, "completed")
        assert outcome(stored(services, broken)) == expected
        assert job.attempt == 2
        assert (job.trials_asked, job.waves_done) == (60, unbroken.waves_done)
        assert (job.best_value, job.best_trial) == (unbroken.best_value, unbroken.best_trial)


def test_a_cancelled_job_makes_way_for_the_next(services: Services) -> None:
    dataset = add_dataset(services)
    endless, following = queue(services, dataset, **ENDLESS), queue(services, dataset)
    until(lambda: row(services, endless).trials_asked)
    with services.database.write() as connection:
        jobs.cancel(connection, "ann", endless)
    before = outcome(stored(services, endless))
    in_state(services, following, "completed")
    # The wave that was under way has been given up; nothing of it arrived.
    assert outcome(stored(services, endless)) == before
    assert {state for _, state, *_ in before} <= {TrialState.FAIL, TrialState.COMPLETE}
    job = row(services, endless)
    ended = job.trials_completed + job.trials_diverged + job.trials_stopped
    assert (job.state, ended) == ("cancelled", job.trials_asked)


def test_a_paused_job_makes_way_and_comes_to_the_same_trials(services: Services) -> None:
    dataset = add_dataset(services)
    budget = {"trials": 60, "epochs": 30}
    expected = outcome(
        stored(
            services, in_state(services, queue(services, dataset, budget=budget), "completed").id
        )
    )
    paused = queue(services, dataset, budget=budget)
    following = queue(services, dataset)
    until(lambda: row(services, paused).waves_done)
    with services.database.write() as connection:
        jobs.pause(connection, "ann", paused)
    before = outcome(stored(services, paused))
    in_state(services, following, "completed")
    assert outcome(stored(services, paused)) == before
    assert row(services, paused).state == "paused"
    with services.database.write() as connection:
        jobs.resume(connection, "ann", paused)
    services.runner.wake()
    assert in_state(services, paused, "completed").attempt == 2
    assert outcome(stored(services, paused)) == expected


def test_a_job_whose_trials_all_diverge_has_failed_and_says_what_to_do(
    services: Services,
) -> None:
    space = SMALL["space"] | {
        "optimizers": ["sgd"],
        "learning_rate": {"low": 1e30, "high": 1e33},
    }
    job = in_state(services, queue(services, add_dataset(services), space=space), "failed")
    assert (job.trials_diverged, job.trials_completed, job.best_value) == (8, 0, None)
    assert "lower the learning rates" in job.error
    assert {t.state for t in stored(services, job.id)} == {TrialState.PRUNED}
    assert job.finished is not None


def test_a_budget_of_seconds_ends_a_job_with_what_it_has(services: Services) -> None:
    budget = {"trials": 10_000, "epochs": 20, "seconds": 5.0}
    job = in_state(services, queue(services, add_dataset(services), budget=budget), "completed")
    assert 0 < job.trials_completed < 10_000
    assert 5.0 <= job.seconds < 25
    assert TrialState.RUNNING not in {t.state for t in stored(services, job.id)}


def test_a_job_without_time_for_one_epoch_has_failed_and_says_what_to_do(
    services: Services,
) -> None:
    budget = SMALL["budget"] | {"seconds": 1e-6}
    job = in_state(services, queue(services, add_dataset(services), budget=budget), "failed")
    assert "give more seconds" in job.error


def test_a_job_that_breaks_does_not_take_the_others_with_it(services: Services) -> None:
    lost = add_dataset(services, table(61))
    with services.database.read() as connection:
        digest = datasets.get(connection, "ann", lost).digest
    services.store.path(digest).unlink()
    broken, whole = queue(services, lost), queue(services, add_dataset(services))
    job = in_state(services, broken, "failed")
    assert "There is no stored file" in job.error
    assert job.finished is not None
    assert in_state(services, whole, "completed").attempt == 1


def test_a_job_whose_data_cannot_be_read_fails_before_any_trial(services: Services) -> None:
    dataset = add_dataset(services, table(62))
    with services.database.read() as connection:
        digest = datasets.get(connection, "ann", dataset).digest
    services.store.path(digest).write_bytes(b"no longer what it was")
    job = in_state(services, queue(services, dataset), "failed")
    assert "Parquet" in job.error
    assert job.trials_asked == 0


def test_what_the_data_shows_is_added_to_what_the_spec_said(services: Services) -> None:
    job = in_state(services, queue(services, add_dataset(services)), "completed")
    (warning,) = [each for each in job.warnings if "by itself" in each]
    assert warning.startswith("column 'size' tells 'kind' by itself")


def test_a_wave_that_breaks_fails_its_job_and_leaves_no_running_trial(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = services.runner.engine.submit
    monkeypatch.setattr(
        services.runner.engine,
        "submit",
        lambda wave: submit(replace(wave, dataset=wave.dataset.with_name("gone"))),
    )
    job = in_state(services, queue(services, add_dataset(services)), "failed")
    assert "No such file" in job.error
    assert {t.state for t in stored(services, job.id)} == {TrialState.FAIL}
    assert job.trials_stopped == job.trials_asked == 8


def test_a_runner_that_cannot_write_tries_again(services: Services) -> None:
    def execute(statement: str) -> None:
        connection = driver.connect(file_of(services.database))
        with connection:
            connection.execute(statement)
        connection.close()

    execute(
        "CREATE TRIGGER full BEFORE UPDATE OF state ON jobs "
        "WHEN NEW.state IN ('completed', 'failed') AND NEW.attempt < 3 "
        "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    )
    job_id = queue(services, add_dataset(services))

    def has_ended() -> bool:
        services.runner.wake()
        return bool(row(services, job_id).finished)

    until(has_ended)
    execute("DROP TRIGGER full")
    job = row(services, job_id)
    assert (job.state, job.attempt, job.trials_asked) == ("completed", 3, 8)
    assert len(stored(services, job_id)) == 8
    assert in_state(services, queue(services, add_dataset(services)), "completed").attempt == 1


def test_a_claim_is_held_until_the_job_is_cancelled(services: Services) -> None:
    job_id = queue(services, add_dataset(services), **ENDLESS)
    until(lambda: row(services, job_id).trials_asked)
    job = row(services, job_id)
    spec = StudySpec.model_validate(job.spec)
    claim = claims.Claim(job_id, job.attempt, job.study_id, job.dataset_id, spec, 0.0)
    assert services.runner.holds(claim)
    assert not services.runner.holds(replace(claim, attempt=job.attempt - 1))
    with services.database.write() as connection:
        jobs.cancel(connection, "ann", job_id)
    assert not services.runner.holds(claim)


def test_a_stopped_confirmation_starts_again_and_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    spec: dict[str, Any] = {"confirmation": {"seeds": 3}}
    with opened(home) as services:
        dataset = add_dataset(services)
        unbroken = in_state(services, queue(services, dataset, **spec), "completed")
        confirm = services.runner.engine.confirm

        def endless(wave: Wave) -> Work[list[Run]]:
            budget = wave.spec.budget.model_copy(update={"epochs": 10_000})
            return confirm(replace(wave, spec=wave.spec.model_copy(update={"budget": budget})))

        monkeypatch.setattr(services.runner.engine, "confirm", endless)
        broken = queue(services, dataset, **spec)
        until(lambda: row(services, broken).finalists)
        services.runner.stop()
        assert row(services, broken).confirmation is None
    with opened(home) as services:
        job = in_state(services, broken, "completed")
        assert job.confirmation == unbroken.confirmation
        assert job.confirmation["seeds"] == [1, 2, 3]
        assert (job.attempt, job.trials_asked) == (2, 8)


def test_without_time_for_a_confirmation_a_job_says_so(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirm = services.runner.engine.confirm
    monkeypatch.setattr(
        services.runner.engine, "confirm", lambda wave: confirm(replace(wave, deadline=0.0))
    )
    job_id = queue(services, add_dataset(services), confirmation={"seeds": 2})
    job = in_state(services, job_id, "completed")
    assert (job.finalists > 0, job.confirmation) == (True, None)
    assert any("no time left" in warning for warning in job.warnings)
