"""Quotas: how much of the server one owner may hold at a time."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from service.errors import TooManyRequests
from service.tables import datasets, jobs

UNFINISHED = ("queued", "running", "paused")
OUTCOMES = ("completed", "dropped", "diverged", "stopped")
RETRY_SECONDS = 60  # when a job may have ended


@dataclass(frozen=True)
class Held:
    """What an owner holds at the moment, counted as the limits in `Quotas` are."""

    bytes: int
    jobs: int
    trials: int


@dataclass(frozen=True)
class Quotas:
    """Limits for every owner; None for none.

    Attributes:
        bytes: of stored datasets.
        jobs: that have not ended.
        trials: of external jobs, that are handed out.
    """

    bytes: int | None
    jobs: int | None
    trials: int | None

    def check_bytes(self, connection: Connection, owner: str, more: int) -> None:
        """See that an owner may store so many bytes more.

        Raises:
            TooManyRequests: that would be too many.
        """
        if self.bytes is None:
            return
        held = _bytes(connection, owner)
        if held + more > self.bytes:
            raise TooManyRequests(
                f"Your datasets have {held:,} bytes, this one {more:,}; {self.bytes:,} are allowed. "
                "Delete one that no job uses.",
                field="bytes",
                value=held + more,
                allowed=self.bytes,
            )

    def check_jobs(self, connection: Connection, owner: str) -> None:
        """See that an owner may queue one job more.

        Raises:
            TooManyRequests: too many have not ended yet.
        """
        if self.jobs is None:
            return
        waiting = _jobs(connection, owner)
        if waiting >= self.jobs:
            raise TooManyRequests(
                f"{waiting} of your jobs have not ended; {self.jobs} are allowed. "
                "Wait for one, or cancel it.",
                retry_after_seconds=RETRY_SECONDS,
                field="jobs",
                value=waiting + 1,
                allowed=self.jobs,
            )

    def check_trials(self, connection: Connection, owner: str, more: int) -> None:
        """See that an owner may be handed so many trials more.

        Raises:
            TooManyRequests: that would be too many.
        """
        if self.trials is None:
            return
        held = _trials(connection, owner)
        if held + more > self.trials:
            raise TooManyRequests(
                f"You hold {held} trials of external jobs; {self.trials} are allowed. Tell how one ended, "
                "or ask for fewer.",
                retry_after_seconds=RETRY_SECONDS,
                field="count",
                value=more,
                allowed=max(self.trials - held, 0),
            )


NO_QUOTAS = Quotas(bytes=None, jobs=None, trials=None)


def held(connection: Connection, owner: str) -> Held:
    """What an owner holds now."""
    return Held(_bytes(connection, owner), _jobs(connection, owner), _trials(connection, owner))


def _bytes(connection: Connection, owner: str) -> int:
    return _of(connection, func.sum(datasets.c.bytes), datasets.c.owner == owner)


def _jobs(connection: Connection, owner: str) -> int:
    mine = (jobs.c.owner == owner, jobs.c.state.in_(UNFINISHED))
    return _of(connection, func.count(), *mine)


def _trials(connection: Connection, owner: str) -> int:
    ended = sum(jobs.c[f"trials_{outcome}"] for outcome in OUTCOMES)
    mine = (jobs.c.owner == owner, jobs.c.dataset_id.is_(None))
    return _of(connection, func.sum(jobs.c.trials_asked - ended), *mine)


def _of(
    connection: Connection, amount: ColumnElement[int], *conditions: ColumnElement[bool]
) -> int:
    return connection.execute(select(func.coalesce(amount, 0)).where(*conditions)).scalar_one()
