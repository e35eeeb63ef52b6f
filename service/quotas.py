"""Quotas: how much of the server one owner may hold at a time."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from service.errors import TooManyRequests
from service.tables import datasets, jobs

UNFINISHED = ("queued", "running", "paused")
RETRY_SECONDS = 60  # when a job may have ended


@dataclass(frozen=True)
class Quotas:
    """Limits for every owner; None for none.

    Attributes:
        bytes: of stored datasets.
        jobs: that have not ended.
    """

    bytes: int | None
    jobs: int | None

    def check_bytes(self, connection: Connection, owner: str, more: int) -> None:
        """See that an owner may store so many bytes more.

        Raises:
            TooManyRequests: that would be too many.
        """
        if self.bytes is None:
            return
        held = _of(connection, func.sum(datasets.c.bytes), datasets.c.owner == owner)
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
        mine = (jobs.c.owner == owner, jobs.c.state.in_(UNFINISHED))
        waiting = _of(connection, func.count(), *mine)
        if waiting >= self.jobs:
            raise TooManyRequests(
                f"{waiting} of your jobs have not ended; {self.jobs} are allowed. "
                "Wait for one, or cancel it.",
                retry_after_seconds=RETRY_SECONDS,
                field="jobs",
                value=waiting + 1,
                allowed=self.jobs,
            )


NO_QUOTAS = Quotas(bytes=None, jobs=None)


def _of(
    connection: Connection, amount: ColumnElement[int], *conditions: ColumnElement[bool]
) -> int:
    return connection.execute(select(func.coalesce(amount, 0)).where(*conditions)).scalar_one()
