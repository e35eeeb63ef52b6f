"""The runner: takes jobs from the queue and drives each one's study to its end.

Every wave is stored in one transaction, so whatever happens to this process, the next one goes
on from the stored trials and trains again exactly the waves that were under way.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from sqlalchemy import select

from service import claims, transfers, trials
from service.claims import Claim, Superseded
from service.database import Database
from service.engine import Abandoned, Engine, WorkersDied
from service.errors import HINDRANCES, Unavailable
from service.failpoints import reach
from service.manifest import Conditions, Parts
from service.quarantine import confirmed, trained
from service.store import Store
from service.tables import datasets
from service.worker import OutOfMemory, Wave
from studies.confirmation import Run, choose, confirm
from studies.run import Asked, run_study
from studies.spec import BudgetSpec, StudySpec
from studies.wave import TrialResult, WaveTrial

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0  # how often an idle runner looks for jobs even if nobody woke it
FIRST_WAIT_SECONDS = 0.2  # at most, for a database that is away; twice as long after each failure
DOUBLINGS = 5
UNCONFIRMED = (
    "There was no time left to train the finalists from two fresh seeds: the best is the best of the "
    "search alone. Give more seconds for a verdict."
)

T = TypeVar("T")


@dataclass(frozen=True)
class _Pending(Generic[T]):
    """Work under way, as a study waits for it."""

    found: Callable[[], T]

    def result(self) -> T:
        return self.found()


class Runner:
    """Runs jobs, each in a thread of its own; they share the workers wave by wave.

    Args:
        database: where jobs and trials are.
        store: where datasets are.
        engine: what trains.
        at_once: jobs that may run at once.
        of_one_owner: of them, those of one owner.
        ended: called with a job that has ended, in its thread.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        engine: Engine,
        *,
        at_once: int,
        of_one_owner: int,
        ended: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.engine = engine
        self._database, self._store = database, store
        self._at_once, self._of_one_owner, self._ended = at_once, of_one_owner, ended
        self._wake = threading.Event()
        self._draining = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="runner")
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="job")
        self._under_way: dict[str, Future[None]] = {}  # by job; the loop's own

    def start(self) -> None:
        """Go on with what an earlier server left, then with the queue."""
        with self._database.write() as connection:
            resumed = claims.requeue_running(connection)
        reach("job_requeued")
        if resumed:
            logger.info("going on with %d job(s) that were running", resumed)
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    @property
    def is_busy(self) -> bool:
        """Whether jobs are under way."""
        return not all(each.done() for each in self._under_way.values())

    def drain(self, seconds: float) -> None:
        """Start nothing more, and wait for the waves under way to end and be stored.

        Args:
            seconds: at most; what has not ended by then is trained again by the next server.
        """
        self._draining.set()
        wait(list(self._under_way.values()), timeout=seconds)

    def stop(self) -> None:
        """Leave the jobs under way as they are stored, and end."""
        self._draining.set()
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        self._threads.shutdown()

    def holds(self, claim: Claim) -> bool:
        """Whether results of this claim are still wanted."""
        if self._stopping.is_set():
            return False
        with self._database.read() as connection:
            return claims.is_current(connection, claim)

    def _loop(self) -> None:
        failures = 0  # to reach the database, one after another
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                while (claim := self._next()) is not None:
                    future = self._threads.submit(self._run_to_its_end, claim)
                    self._under_way[claim.id] = future
                    future.add_done_callback(lambda _: self.wake())
                failures = 0
            except HINDRANCES as error:
                failures += 1
                logger.warning("the runner waits for the database: %s", error.detail)
                self._stopping.wait(_wait_after(failures))
                continue
            except Exception:  # a full disk, say, must not end the queue for good
                logger.exception("the runner cannot write; trying again")
            self._wake.wait(IDLE_SECONDS)

    def _next(self) -> Claim | None:
        """The job to run beside those under way, if there is one and room for it."""
        self._under_way = {job: each for job, each in self._under_way.items() if not each.done()}
        if len(self._under_way) >= self._at_once or self._draining.is_set():
            return None
        with self._database.write() as connection:
            # Besides them, a job that is running is one whose end could not be written.
            claims.requeue_running(connection, besides=self._under_way)
            claimed = claims.claim(connection, at_once=self._of_one_owner)
        if claimed is not None:
            reach("job_claimed")
        return claimed

    def _run_to_its_end(self, claim: Claim) -> None:
        try:
            self._run(claim)
            self._ended(claim.id)
        except HINDRANCES as error:
            # Whether what was written last is there is unknown: it is found out by beginning anew
            # from what is stored.
            logger.warning("job %s waits: %s", claim.id, error.detail, extra=_job(claim))
            self._stopping.wait(_wait_after(DOUBLINGS))
        except Exception:
            logger.exception(
                "the end of job %s cannot be written; trying again", claim.id, extra=_job(claim)
            )
            self._stopping.wait(IDLE_SECONDS)

    def _run(self, claim: Claim) -> None:
        began = time.monotonic() - claim.seconds_spent
        try:
            spent = self._drive(claim, began)
            with self._database.write() as connection:
                if claims.budget(connection, claim) != spent:
                    claims.go_on(connection, claim, time.monotonic() - began)
                    return
                found = trials.best(connection, claim.study_id) is not None
                claims.finish(
                    connection,
                    claim,
                    "completed" if found else "failed",
                    seconds=time.monotonic() - began,
                    error=None
                    if found
                    else "No trial reached its last epoch: "
                    "give more seconds, or lower the learning rates.",
                )
            reach("job_finished")
        except (Superseded, Abandoned):
            self.engine.stop(_stop_name(claim))
        except HINDRANCES:
            self.engine.stop(_stop_name(claim))
            raise
        except Exception as error:  # one job's failure must not end the others
            logger.exception("job %s failed", claim.id, extra=_job(claim))
            self.engine.stop(_stop_name(claim))
            self._fail(claim, time.monotonic() - began, error)

    def _drive(self, claim: Claim, began: float) -> BudgetSpec:
        """Search, then confirm what was found; each step is stored before the next.

        Returns:
            The budget that was spent.
        """
        with self._database.read() as connection:
            digest = connection.execute(
                select(datasets.c.digest).where(datasets.c.id == claim.dataset_id)
            ).scalar_one()
        dataset = self._local(claim, digest)
        found = self.engine.look(dataset, claim.spec).result(lambda: self.holds(claim))
        with self._database.write() as connection:
            claims.record_warnings(connection, claim, found.warnings)
            conditions = Conditions(
                waves_in_flight=self.engine.in_flight,
                budget=claim.spec.budget,
                parts=Parts.model_validate(found.rows),
                environment=found.environment,
            )
            claims.record_attempt(connection, claim, conditions)
        reach("attempt_recorded")
        budget = self._search(claim, digest, began)
        if claim.spec.confirmation.seeds:
            left = None if budget.seconds is None else budget.seconds - (time.monotonic() - began)
            self._confirm(claim, digest, left)
        return budget

    def _local(self, claim: Claim, digest: str) -> Path:
        """The dataset's file; waits while the store cannot be reached.

        Raises:
            Abandoned: the job is not wanted any more.
            NotFound: there is no such file.
        """
        while True:
            try:
                return self._store.path(digest)
            except Unavailable:
                logger.warning("job %s waits for the store of datasets", claim.id)
            self._stopping.wait(IDLE_SECONDS)
            if not self.holds(claim):
                raise Abandoned

    def _search(self, claim: Claim, digest: str, began: float) -> BudgetSpec:
        """Run the study, storing every wave before it starts and when it has ended.

        Returns:
            The budget that was spent: it may be raised meanwhile.
        """
        budget = claim.spec.budget

        def allowed() -> BudgetSpec:
            nonlocal budget
            with self._database.read() as connection:
                budget = claims.budget(connection, claim)
            if self._draining.is_set():
                return budget.model_copy(update={"trials": 0})
            return budget

        def submit(
            spec: StudySpec, members: list[WaveTrial], number: int, seconds_left: float | None
        ) -> _Pending[list[TrialResult]]:
            stop = _stop_name(claim)
            dataset = self._local(claim, digest)  # in use now: its copy stays for another day
            wave = Wave(dataset, spec, members, number, _deadline(seconds_left), stop)
            work = self.engine.submit(wave)
            return _Pending(lambda: trained(self.engine, wave, work, lambda: self.holds(claim)))

        with self._database.read() as connection:
            known = trials.read(connection, claim.study_id)
        with self._database.write() as connection:
            transferred = transfers.settle(connection, claim)
        reach("transfer_settled")
        for event in run_study(
            claim.spec,
            submit,
            known=known,
            seconds_spent=claim.seconds_spent,
            in_flight=self.engine.in_flight,
            allowed=allowed,
            transferred=transferred,
        ):
            asked = isinstance(event, Asked)
            reach("wave_proposed" if asked else "wave_trained")
            with self._database.write() as connection:
                if asked:
                    claims.record_asked(connection, claim, event.trials)
                else:
                    seconds = time.monotonic() - began
                    claims.record_told(connection, claim, event.trials, seconds)
            reach("wave_asked" if asked else "wave_told")
            if self._stopping.is_set():  # short waves end before a wait for them asks
                raise Abandoned
        if self._draining.is_set():  # which may have kept it from asking for more
            raise Abandoned
        return budget

    def _confirm(self, claim: Claim, digest: str, seconds: float | None) -> None:
        """Train the finalists again, as the stored trials name them."""

        def submit(
            spec: StudySpec, runs: list[WaveTrial], seconds_left: float | None
        ) -> _Pending[list[Run]]:
            dataset = self._local(claim, digest)
            wave = Wave(dataset, spec, runs, 0, _deadline(seconds_left), _stop_name(claim))
            work = self.engine.confirm(wave)
            return _Pending(lambda: confirmed(self.engine, wave, work, lambda: self.holds(claim)))

        with self._database.read() as connection:
            stored = trials.read(connection, claim.study_id)
        numbers = choose(claim.spec, stored)
        if not numbers:
            return
        with self._database.write() as connection:
            claims.record_confirming(connection, claim, numbers)
        reach("confirmation_announced")
        finalists = [stored[number] for number in numbers]
        why = UNCONFIRMED
        try:
            confirmation = confirm(claim.spec, finalists, submit, seconds, self.engine.slots)
        except (WorkersDied, OutOfMemory) as error:  # the search's trials are worth something still
            confirmation, why = None, f"The finalists could not be trained again: {error}."
        reach("finalists_trained")
        with self._database.write() as connection:
            if confirmation is None:
                claims.record_warnings(connection, claim, [why])
            else:
                claims.record_confirmed(connection, claim, confirmation)
        reach("confirmation_recorded")

    def _fail(self, claim: Claim, seconds: float, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"[:500]
        try:
            with self._database.write() as connection:
                claims.finish(connection, claim, "failed", seconds=seconds, error=text)
        except Superseded:
            logger.info("job %s had been cancelled", claim.id, extra=_job(claim))


def _wait_after(failures: int) -> float:
    """Seconds to wait for a database, somewhere up to a limit that grows, so that not all come at once."""
    longest = min(IDLE_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(failures, DOUBLINGS))
    return random.uniform(0.0, longest)  # noqa: S311 - no secret


def _deadline(seconds_left: float | None) -> float | None:
    return None if seconds_left is None else time.time() + seconds_left


def _job(claim: Claim) -> dict[str, str]:
    """What a line of the log says beside its message."""
    return {"job": claim.id}


def _stop_name(claim: Claim) -> str:
    return f"stop-{claim.id}-{claim.attempt}"
