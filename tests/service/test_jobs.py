from collections.abc import Callable
from typing import Any, get_args

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, insert, inspect, select, update

from service import claims, jobs, tables, trials
from service.claims import Claim, Superseded
from service.database import Database
from service.errors import Conflict, NotFound
from service.jobs import MOVES, JobState
from studies.resolve import Resolved
from studies.search import Search
from studies.spec import StudySpec
from tests.service.databases import optunas_own

pytestmark = pytest.mark.both_databases

STATES: tuple[JobState, ...] = get_args(JobState)
SPEC = StudySpec.model_validate(
    {
        "target": "y",
        "task": "classification",
        "metric": "log_loss",
        "space": {"batch": [32]},
        "budget": {"trials": 20},
    }
)
HIGHEST = SPEC.model_copy(update={"metric": "accuracy"})


@pytest.fixture
def db(database: Database) -> Database:
    """A database with one dataset."""
    with database.write() as connection:
        connection.execute(
            insert(tables.datasets).values(
                id="dataset", owner="ann", name="table", digest="0" * 64, rows=60, columns=[],
                bytes=1, warnings=[],
            )
        )  # fmt: skip
    return database


def create(
    connection: Connection, spec: StudySpec = SPEC, owner: str = "ann", **described: Any
) -> str:
    resolved = Resolved(spec, inferred={"metric": "usual"}, warnings=("careful",))
    return jobs.create(
        connection,
        owner=owner,
        dataset_id="dataset",
        request={"seed": 0},
        resolved=resolved,
        **described,
    )


def claimed(database: Database, spec: StudySpec = SPEC) -> Claim:
    """A new job, taken up."""
    with database.write() as connection:
        create(connection, spec)
        claim = claims.claim(connection)
    assert claim is not None
    return claim


def row(database: Database, job_id: str) -> Any:
    with database.read() as connection:
        return connection.execute(select(tables.jobs).where(tables.jobs.c.id == job_id)).one()


def dump(database: Database) -> list[str]:
    """Everything there is in the database."""
    with database.read() as connection:
        rows = {
            name: connection.exec_driver_sql(f"SELECT * FROM {name}").all()
            for name in inspect(connection).get_table_names()
        }
    return sorted(f"{name} {row}" for name in rows for row in rows[name])


def ended(
    trial: FrozenTrial, value: float | None = None, outcome: str = "completed"
) -> FrozenTrial:
    states = {
        "completed": TrialState.COMPLETE,
        "dropped": TrialState.PRUNED,
        "diverged": TrialState.PRUNED,
        "stopped": TrialState.FAIL,
    }
    done = optuna.trial.create_trial(
        state=states[outcome],
        value=value,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs | {"outcome": outcome, "seconds": 0.1},
        intermediate_values={} if value is None else {1: value},
    )
    done.number, done.datetime_start = trial.number, trial.datetime_start
    return done


def test_a_job_begins_queued_with_an_empty_study(db: Database) -> None:
    with db.write() as connection:
        job_id = create(connection)
    found = row(db, job_id)
    assert (found.state, found.attempt, found.owner) == ("queued", 0, "ann")
    assert StudySpec.model_validate(found.spec) == SPEC
    assert (found.inferred, found.warnings) == ({"metric": "usual"}, ["careful"])
    assert (found.best_value, found.error, found.started, found.finished) == (None,) * 4
    with optunas_own(db.url) as storage:
        study = optuna.load_study(study_name=f"job-{job_id}", storage=storage)
        assert study.trials == []
        assert study.user_attrs == {"job": job_id, "dataset": "dataset", "metric": "log_loss"}
        assert study.direction is optuna.study.StudyDirection.MINIMIZE


def do_claim(connection: Connection, claim: Claim) -> None:
    claims.claim(connection)


def do_requeue(connection: Connection, claim: Claim) -> None:
    claims.requeue_running(connection)


def do_cancel(connection: Connection, claim: Claim) -> None:
    jobs.cancel(connection, "ann", claim.id)


def do_pause(connection: Connection, claim: Claim) -> None:
    jobs.pause(connection, "ann", claim.id)


def do_resume(connection: Connection, claim: Claim) -> None:
    jobs.resume(connection, "ann", claim.id)


def do_complete(connection: Connection, claim: Claim) -> None:
    claims.finish(connection, claim, "completed", seconds=1.0)


def do_fail(connection: Connection, claim: Claim) -> None:
    claims.finish(connection, claim, "failed", seconds=1.0, error="why")


def do_go_on(connection: Connection, claim: Claim) -> None:
    claims.go_on(connection, claim, seconds=1.0)


ACTIONS: dict[Callable[[Connection, Claim], None], tuple[JobState, set[JobState]]] = {
    do_claim: ("running", {"queued"}),
    do_requeue: ("queued", {"running"}),
    do_cancel: ("cancelled", {"queued", "running", "paused"}),
    do_pause: ("paused", {"queued", "running"}),
    do_resume: ("queued", {"paused"}),
    do_complete: ("completed", {"running"}),
    do_fail: ("failed", {"running"}),
    do_go_on: ("queued", {"running"}),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("source", STATES)
def test_every_action_moves_a_job_as_the_table_of_moves_allows(
    db: Database, source: JobState, action: Callable[[Connection, Claim], None]
) -> None:
    claim = claimed(db)
    with db.write() as connection:
        connection.execute(update(tables.jobs).values(state=source))
    target, allowed = ACTIONS[action]
    before = dump(db)
    if source in allowed:
        with db.write() as connection:
            action(connection, claim)
        assert row(db, claim.id).state == target
        assert target in MOVES[source]
        return
    try:
        with db.write() as connection:
            action(connection, claim)
    except (Superseded, Conflict):
        pass
    assert dump(db) == before


@pytest.mark.parametrize("target", STATES)
@pytest.mark.parametrize("source", STATES)
def test_every_pair_of_states_is_decided(source: JobState, target: JobState) -> None:
    expected = {
        ("queued", "running"), ("queued", "paused"), ("queued", "cancelled"),
        ("running", "queued"),
        ("running", "paused"), ("running", "completed"), ("running", "failed"),
        ("running", "cancelled"), ("paused", "queued"), ("paused", "cancelled"),
        ("completed", "queued"), ("failed", "queued"), ("cancelled", "queued"),
        # External jobs wait for no runner.
        ("paused", "running"), ("completed", "running"), ("failed", "running"),
        ("cancelled", "running"),
    }  # fmt: skip
    assert (target in MOVES[source]) == ((source, target) in expected)
    assert (source in jobs.sources(target)) == ((source, target) in expected)


def taken(connection: Connection, **asked: int) -> list[str]:
    """The ids of jobs in the order in which they are taken up, none of which ends."""
    found = []
    while claim := claims.claim(connection, **asked):
        found.append(claim.id)
    return found


def test_jobs_are_taken_up_in_the_order_in_which_they_came(db: Database) -> None:
    created = []
    for size in (1, 30, 1, 20):
        with db.write() as connection:
            created += [create(connection) for _ in range(size)]
    with db.write() as connection:
        assert taken(connection) == created
    assert {row(db, job_id).attempt for job_id in created} == {1}


def test_owners_take_turns_however_long_the_queue_of_one_is(db: Database) -> None:
    with db.write() as connection:
        anns = [create(connection) for _ in range(4)]
        bobs = [create(connection, owner="bob") for _ in range(2)]
        assert taken(connection) == [anns[0], bobs[0], anns[1], bobs[1], anns[2], anns[3]]


def test_who_has_used_more_lately_waits(db: Database) -> None:
    before = claimed(db)
    with db.write() as connection:
        claims.finish(connection, before, "completed", seconds=60.0)
        ann, bob = create(connection), create(connection, owner="bob")
        assert taken(connection) == [bob, ann]
        claims.requeue_running(connection)
        long_ago = tables.now() - claims.FAIR_WITHIN
        connection.execute(update(tables.jobs).values(started=long_ago))
        assert taken(connection) == [ann, bob]


def test_an_owner_says_which_job_is_first(db: Database) -> None:
    with db.write() as connection:
        later, bobs = create(connection, priority=-1), create(connection, owner="bob")
        first, second = create(connection, priority=5), create(connection)
        jobs.describe(connection, "bob", bobs, priority=100)
        assert taken(connection) == [first, bobs, second, later]


def test_a_queued_job_knows_how_many_of_its_owner_go_first(db: Database) -> None:
    with db.write() as connection:
        created = [create(connection, priority=priority) for priority in (0, 5, 0)]
        create(connection, owner="bob", priority=9)
        ahead = [jobs.ahead(connection, jobs.get(connection, "ann", each)) for each in created]
        assert ahead == [1, 0, 2]
        jobs.cancel(connection, "ann", created[1])
        assert jobs.ahead(connection, jobs.get(connection, "ann", created[2])) == 1


def test_no_more_of_one_owner_run_at_once_than_are_allowed(db: Database) -> None:
    with db.write() as connection:
        anns = [create(connection) for _ in range(3)]
        bob = create(connection, owner="bob")
        assert taken(connection, at_once=2) == [anns[0], bob, anns[1]]
        jobs.cancel(connection, "ann", anns[0])
        assert taken(connection, at_once=2) == [anns[2]]


def test_jobs_that_are_running_indeed_are_not_queued_again(db: Database) -> None:
    first, second = claimed(db), claimed(db)
    with db.write() as connection:
        assert claims.requeue_running(connection, besides=[second.id]) == 1
    assert (row(db, first.id).state, row(db, second.id).state) == ("queued", "running")


def test_a_job_taken_up_again_keeps_its_place_and_its_start(db: Database) -> None:
    first = claimed(db)
    with db.write() as connection:
        create(connection)
        assert claims.requeue_running(connection) == 1
        again = claims.claim(connection)
    assert again is not None
    assert (again.id, again.attempt, again.study_id) == (first.id, 2, first.study_id)
    started = row(db, first.id).started
    with db.write() as connection:
        claims.requeue_running(connection)
        claims.claim(connection)
    assert row(db, first.id).started == started


def test_an_empty_queue_has_nothing_to_take_up(db: Database) -> None:
    with db.write() as connection:
        assert claims.claim(connection) is None
        assert claims.requeue_running(connection) == 0


def test_a_wave_and_its_progress_are_stored_together(db: Database) -> None:
    claim = claimed(db)
    search = Search(SPEC)
    asked = search.ask(8)
    with db.write() as connection:
        claims.record_asked(connection, claim, asked)
    found = row(db, claim.id)
    assert (found.trials_asked, found.waves_done) == (8, 0)
    wave = [ended(trial, 0.5 + trial.number) for trial in asked[:4]]
    wave += [ended(asked[4], outcome="dropped")]
    wave += [ended(trial, outcome="diverged") for trial in asked[5:7]]
    wave += [ended(asked[7], outcome="stopped")]
    with db.write() as connection:
        claims.record_told(connection, claim, wave, 2.5)
    found = row(db, claim.id)
    assert (found.trials_completed, found.trials_dropped) == (4, 1)
    assert (found.trials_diverged, found.trials_stopped) == (2, 1)
    assert (found.waves_done, found.seconds) == (1, 2.5)
    assert (found.best_value, found.best_trial) == (0.5, 0)
    with db.read() as connection:
        stored = trials.read(connection, claim.study_id, intermediate=True)
    assert [(t.number, t.state, t.values, t.params) for t in stored] == [
        (t.number, t.state, t.values, t.params) for t in wave
    ]


@pytest.mark.parametrize(
    ("spec", "best"),
    [(SPEC, [(0.5, 1), (0.5, 1), (0.25, 5), (0.25, 5)]), (HIGHEST, [(0.75, 0), (0.875, 2)] * 1)],
)
def test_the_best_is_kept_from_wave_to_wave_and_is_the_first_of_equals(
    db: Database, spec: StudySpec, best: list[tuple[float, int]]
) -> None:
    waves: list[list[float | None]] = [[0.75, 0.5], [0.875, 0.5], [None, 0.25], [0.25, 0.25]]
    claim = claimed(db, spec)
    search = Search(spec)
    for values, expected in zip(waves, best, strict=False):
        asked = search.ask(2)
        wave = [
            ended(trial, value, "diverged" if value is None else "completed")
            for trial, value in zip(asked, values, strict=True)
        ]
        search.tell(wave)
        with db.write() as connection:
            claims.record_asked(connection, claim, asked)
            claims.record_told(connection, claim, wave, 1.0)
        found = row(db, claim.id)
        assert (found.best_value, found.best_trial) == expected
        with db.read() as connection:
            stored = trials.best(connection, claim.study_id)
        assert stored is not None
        assert (stored.values, stored.number) == ([found.best_value], found.best_trial)


def cancelled(connection: Connection, claim: Claim) -> None:
    jobs.cancel(connection, "ann", claim.id)


def taken_again(connection: Connection, claim: Claim) -> None:
    claims.requeue_running(connection)
    claims.claim(connection)


def waiting_again(connection: Connection, claim: Claim) -> None:
    claims.requeue_running(connection)


def finished(connection: Connection, claim: Claim) -> None:
    claims.finish(connection, claim, "completed", seconds=1.0)


@pytest.mark.parametrize("event", [cancelled, taken_again, waiting_again, finished])
def test_results_that_are_no_longer_wanted_change_nothing(
    db: Database, event: Callable[[Connection, Claim], None]
) -> None:
    claim = claimed(db)
    search = Search(SPEC)
    first, second = search.ask(4), search.ask(4)
    with db.write() as connection:
        claims.record_asked(connection, claim, first)
        assert claims.is_current(connection, claim)
        event(connection, claim)
        assert not claims.is_current(connection, claim)
    before = dump(db)
    told = [ended(trial, 0.5) for trial in first]
    writes: list[Callable[[Connection], None]] = [
        lambda connection: claims.record_asked(connection, claim, second),
        lambda connection: claims.record_told(connection, claim, told, 9.0),
        lambda connection: claims.finish(connection, claim, "completed", seconds=9.0),
        lambda connection: claims.finish(connection, claim, "failed", seconds=9.0, error="late"),
    ]
    for write in writes:
        with pytest.raises(Superseded), db.write() as connection:
            write(connection)
        assert dump(db) == before


def test_what_cannot_be_stored_whole_is_not_stored_at_all(db: Database) -> None:
    claim = claimed(db)
    asked = Search(SPEC).ask(4)
    with db.write() as connection:
        claims.record_asked(connection, claim, asked)
    before = dump(db)
    wave = [ended(trial, 0.5) for trial in asked]
    wave[3].number = 99
    with pytest.raises(ValueError, match="not running"), db.write() as connection:
        claims.record_told(connection, claim, wave, 1.0)
    assert dump(db) == before
    with pytest.raises(ValueError, match="must be numbered"), db.write() as connection:
        claims.record_asked(connection, claim, asked)
    assert dump(db) == before


@pytest.mark.parametrize("end", [cancelled, finished])
def test_trials_under_way_at_the_end_are_recorded_as_stopped(
    db: Database, end: Callable[[Connection, Claim], None]
) -> None:
    claim = claimed(db)
    search = Search(SPEC)
    first, second = search.ask(4), search.ask(4)
    with db.write() as connection:
        claims.record_asked(connection, claim, first)
        claims.record_told(connection, claim, [ended(trial, 0.5) for trial in first], 1.0)
        claims.record_asked(connection, claim, second)
        end(connection, claim)
        states = trials.counts(connection, claim.study_id)
    assert states[TrialState.RUNNING] == 0
    assert (states[TrialState.COMPLETE], states[TrialState.FAIL]) == (4, 4)
    found = row(db, claim.id)
    assert (found.trials_asked, found.trials_completed, found.trials_stopped) == (8, 4, 4)
    assert found.finished is not None
    with db.read() as connection:
        last = trials.read(connection, claim.study_id)[-1]
    assert last.user_attrs["outcome"] == "stopped"


def test_a_job_that_has_ended_cannot_be_cancelled(db: Database) -> None:
    claim = claimed(db)
    with db.write() as connection:
        jobs.cancel(connection, "ann", claim.id)
    with pytest.raises(Conflict, match="The job is cancelled") as caught, db.write() as connection:
        jobs.cancel(connection, "ann", claim.id)
    assert caught.value.value == "cancelled"
    assert caught.value.allowed == ["queued", "running", "paused"]


def test_a_job_belongs_to_its_owner(db: Database) -> None:
    with db.write() as connection:
        job_id = create(connection)
    for ask in (jobs.get, jobs.cancel):
        with pytest.raises(NotFound, match=job_id), db.write() as connection:
            ask(connection, "bob", job_id)
    with db.read() as connection:
        assert jobs.page(connection, "bob", limit=10) == ([], None)
        assert [found.id for found in jobs.page(connection, "ann", limit=10)[0]] == [job_id]


@pytest.fixture
def many(db: Database) -> list[str]:
    with db.write() as connection:
        created = [create(connection) for _ in range(7)]
        jobs.cancel(connection, "ann", created[2])
        claims.claim(connection)
    return created[::-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_walk_every_job_once_newest_first(db: Database, many: list[str], limit: int) -> None:
    found: list[str] = []
    after = None
    with db.read() as connection:
        while True:
            rows, after = jobs.page(connection, "ann", after=after, limit=limit)
            found += [each.id for each in rows]
            if after is None:
                break
            assert len(rows) == limit
    assert found == many


def test_jobs_are_found_by_dataset_name_and_time(db: Database) -> None:
    with db.write() as connection:
        made = [
            create(connection, name=name) for name in ("Wine, first", "wine 100%", None, "digits")
        ]
        moments = [row.created for row in connection.execute(select(tables.jobs.c.created))]

        def found(**wanted: Any) -> list[int]:
            rows, _ = jobs.page(connection, "ann", jobs.Filter(**wanted), limit=100)
            return [made.index(each.id) for each in rows]

        assert found(name="WINE") == [1, 0]
        assert found(name="%") == [1]
        assert found(dataset_id="dataset") == [3, 2, 1, 0]
        assert found(dataset_id="another") == []
        assert found(since=moments[1]) == [3, 2, 1]
        assert found(before=moments[1]) == [0]
        assert found(since=moments[1], before=moments[3], name="w") == [1]


def test_jobs_can_be_listed_by_state(db: Database, many: list[str]) -> None:
    with db.read() as connection:
        for states, count in ((["queued"], 5), (["running", "cancelled"], 2), ([], 7)):
            rows, _ = jobs.page(connection, "ann", jobs.Filter(states), limit=100)  # type: ignore[arg-type]
            assert len(rows) == count
            assert not states or {each.state for each in rows} == set(states)
