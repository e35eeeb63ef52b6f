"""External jobs: trials that somebody else trains, handed out, reported on, told.

Whoever has a trial holds a lease of it, and every word about the trial names the lease. A lease that
runs out without a word is over: the trial is handed out again, under another lease, and what comes
late from the first changes nothing.
"""

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

import uuid_utils
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, Row, update

from service import jobs, leases, outbox, progress, trials
from service.database import Database
from service.errors import Conflict, Invalid
from service.failpoints import reach
from service.idempotency import Asked
from service.quotas import Quotas
from service.tables import jobs as table
from service.tables import now
from studies.budget import limit_met
from studies.external import End, advise, ended, rungs_of
from studies.search import Search
from studies.spec import StudySpec

LOCKS = 64
NOTHING_FOUND = "No trial was told as completed."


class External:
    """Hands out trials and takes in what comes of them.

    Args:
        database: where jobs and trials are.
        quotas: how many trials an owner may hold.
    """

    def __init__(self, database: Database, quotas: Quotas) -> None:
        self._database, self._quotas = database, quotas
        # Two who ask for trials of one job would be given the same numbers.
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    def ask(
        self, asked: Asked, job_id: str, count: int, lease: timedelta
    ) -> tuple[Row[Any], list[FrozenTrial]]:
        """Hand out trials: first those whose lease ran out, then new ones.

        Args:
            asked: the request.
            job_id: the job.
            count: how many are wanted.
            lease: how long each may go without a word.

        Returns:
            The job, and trials: fewer than wanted, or none, where the budget or the job's state
            allows no more.

        Raises:
            NotFound: there is no such job.
            Conflict: its trials are trained here.
            TooManyRequests: the owner holds too many.
        """
        with self._locks[hash(job_id) % LOCKS]:
            with self._database.read() as connection:
                row = _row(connection, asked, job_id)
                stored = trials.read(connection, row.study_id)
            spec = _spec(row)
            lapsed = [t for t in stored if not t.state.is_finished() and leases.over(t)]
            limit = limit_met(spec, stored, 0.0)
            most = leases.MOST if limit in {None, "trials"} else 0  # what is found is good enough
            again = [trial for trial in lapsed if trial.user_attrs["leases"] < most][:count]
            lost = [trial.number for trial in lapsed if trial.user_attrs["leases"] >= most]
            search = Search(spec, stored)
            room = min(count - len(again), spec.budget.trials - search.asked)
            new = search.ask(room) if limit is None and room > 0 else []

            def hand_out() -> str:
                held = str(uuid_utils.uuid7())
                for trial in [*again, *new]:
                    trial.user_attrs["leases"] = trial.user_attrs.get("leases", 0) + 1
                    trial.user_attrs |= leases.held(held, lease)
                for trial in again:
                    trials.forget_reports(connection, trial)
                    advice = {"dropped_at": None, "threshold": None}
                    trials.report(connection, trial, {}, trial.user_attrs | advice)
                self._quotas.check_trials(connection, asked.owner, len(new))
                trials.insert_running(connection, row.study_id, new)
                more = {"trials_asked": table.c.trials_asked + len(new)}
                connection.execute(update(table).where(table.c.id == job_id).values(**more))
                gone = End("stopped", reason="its lease ran out")
                over = trials.read(connection, row.study_id, intermediate=True, numbers=lost)
                _record(connection, row, spec, [ended(spec, trial, gone) for trial in over])
                return held

            with self._database.write() as connection:
                row = _row(connection, asked, job_id)
                if row.state != "running":
                    return row, []
                held = asked.once(connection, {"count": count, "lease": str(lease)}, hand_out)
                under_way = trials.running(connection, row.study_id)
                row = jobs.get(connection, asked.owner, job_id)
            reach("trial_handed_out")
            return row, [trial for trial in under_way if trial.user_attrs["lease"] == held]

    def report(
        self, asked: Asked, job_id: str, number: int, lease: str, epoch: int, value: float
    ) -> FrozenTrial:
        """Take in a value on the way, renew the lease, and judge the trial if it is at a rung.

        Args:
            asked: the request.
            job_id: the job.
            number: the trial's.
            lease: that it was handed out under.
            epoch: after which the value was measured, counted from 1.
            value: of the job's metric.

        Returns:
            The trial; where it should stop, with the attribute ``dropped_at``.

        Raises:
            NotFound: there is no such job or trial.
            Conflict: the lease has run out, or the trial has ended.
            Invalid: no trial of the job has so many epochs.
        """

        def take_in() -> str:
            trial = leases.leased(connection, row, number, lease)
            attributes = leases.held(lease, timedelta(seconds=trial.user_attrs["lease_seconds"]))
            trials.report(connection, trial, {epoch: value}, attributes)
            judged = trial.user_attrs.get("dropped_at") or trial.user_attrs["default"]
            if not judged and epoch in rungs_of(spec, number):
                among = trial.params["optimizer"] if spec.question == "compare" else None
                kind = trial.distributions["optimizer"]
                rivals = trials.at_step(
                    connection,
                    row.study_id,
                    epoch,
                    None if among is None else kind.to_internal_repr(among),
                )
                decision = advise(spec, number, rivals)
                if not decision.goes_on:
                    dropped = {"dropped_at": epoch, "threshold": decision.threshold}
                    trials.report(connection, trial, {}, dropped)
            return str(number)

        with self._database.write() as connection:
            row = _row(connection, asked, job_id)
            spec = _spec(row)
            if epoch > spec.budget.epochs:
                raise Invalid(
                    f"epoch: a trial of this job has {spec.budget.epochs} epochs. Got {epoch}.",
                    field="epoch",
                    value=epoch,
                    allowed=f"1 to {spec.budget.epochs}",
                )
            asked.once(connection, {"lease": lease, "epoch": epoch, "value": value}, take_in)
            (trial,) = trials.read(connection, row.study_id, numbers=[number])
            return trial

    def tell(
        self, asked: Asked, job_id: str, number: int, lease: str, end: End
    ) -> tuple[FrozenTrial, StudySpec]:
        """Take in how a trial ended; with the last of its budget, the job ends too.

        Args:
            asked: the request.
            job_id: the job.
            number: the trial's.
            lease: that it was handed out under.
            end: how it ended.

        Returns:
            The trial as it is stored, and the study's spec.

        Raises:
            NotFound: there is no such job or trial.
            Conflict: the lease has run out, the trial has ended, or it was not advised to stop.
        """

        def take_in() -> str:
            trial = leases.leased(connection, row, number, lease)
            if end.outcome == "dropped" and trial.user_attrs.get("dropped_at") is None:
                raise Conflict(
                    "Nobody advised this trial to stop. Tell it as stopped, or train it to its end.",
                    field="outcome",
                    value=end.outcome,
                    allowed=["completed", "diverged", "stopped"],
                )
            _record(connection, row, spec, [ended(spec, trial, end)])
            return str(number)

        content = {
            "lease": lease,
            "outcome": end.outcome,
            "value": end.value,
            "metrics": dict(end.metrics),
            "reason": end.reason,
        }
        with self._database.write() as connection:
            row = _row(connection, asked, job_id)
            spec = _spec(row)
            asked.once(connection, content, take_in)
            (trial,) = trials.read(connection, row.study_id, numbers=[number])
        reach("trial_taken_back")
        return trial, spec


def _row(connection: Connection, asked: Asked, job_id: str) -> Row[Any]:
    row = jobs.get(connection, asked.owner, job_id)
    if row.dataset_id is not None:
        raise Conflict(
            "The trials of this job are trained here; nobody else is handed any.",
            field="job",
            value=job_id,
            allowed='a job that was submitted with "mode": "external"',
        )
    return row


def _spec(row: Row[Any]) -> StudySpec:
    return StudySpec.model_validate(row.spec)


def _record(
    connection: Connection, row: Row[Any], spec: StudySpec, ended: Sequence[FrozenTrial]
) -> None:
    """Store trials that have ended, and what that means for their job."""
    this = table.c.id == row.id
    outcomes = progress.counted([trial.user_attrs["outcome"] for trial in ended])
    seconds = (now() - row.started).total_seconds()
    connection.execute(update(table).where(this).values(seconds=seconds, **outcomes))
    trials.finish(connection, row.study_id, ended)
    if progress.keep_best(connection, row.id, spec.goal, ended):
        outbox.announce(connection, row.id, "best")
    if trials.running(connection, row.study_id):
        return
    if limit_met(spec, trials.read(connection, row.study_id), 0.0) is None:
        return
    found = trials.best(connection, row.study_id) is not None
    state: Literal["completed", "failed"] = "completed" if found else "failed"
    error = None if found else NOTHING_FOUND
    connection.execute(update(table).where(this).values(state=state, error=error, finished=now()))
    outbox.announce(connection, row.id, state)
