"""A Dask cluster as the server sees it: one that it makes for itself, or one that is there already."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributed import Client, LocalCluster
from distributed.comm.registry import backends
from distributed.comm.tcp import TLSBackend, TLSConnector
from distributed.security import Security

from service.errors import ClusterUnusable
from service.worker import KIND
from service.workers import Membership

CONNECT_SECONDS = 10.0
FOR_EVER = 1e9  # seconds; how long a scheduler that was lost is waited for
LOST = "scheduler-connection-lost"  # Dask's reason why what was under way is so no more

logger = logging.getLogger(__name__)


class _Connector(TLSConnector):
    """One that counts a scheduler which goes away as it takes the connection as one that is away.

    tornado's error (#2546) is none of those after which Dask tries again: a client would be lost for good.
    """

    async def connect(self, *arguments: Any, **options: Any) -> Any:
        """A connection.

        Raises:
            OSError: there is none.
        """
        try:
            return await super().connect(*arguments, **options)  # type: ignore[no-untyped-call]
        except ValueError as error:
            raise OSError(str(error)) from error


class _Backend(TLSBackend):
    _connector_class = _Connector


backends["tls"] = _Backend()


@contextmanager
def embedded() -> Iterator[Membership]:
    """A cluster without workers, in this process: on this machine alone, over TLS all the same."""
    security = Security.temporary()
    with LocalCluster(
        n_workers=0,
        host="127.0.0.1",
        protocol="tls://",
        security=security,
        dashboard_address="127.0.0.1:0",
        # The warnings of its client, too: what goes wrong reaches us as an exception.
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield Membership(cluster.scheduler_address, security, "127.0.0.1")


@contextmanager
def connected(cluster: Membership) -> Iterator[Client]:
    """A connection to a cluster, which is made again whenever its scheduler is back.

    Raises:
        ClusterUnusable: there is no scheduler, or there are workers and none fits.
    """
    address, security = cluster.address, cluster.security
    try:
        with Client(
            address, security=security, timeout=CONNECT_SECONDS, set_as_default=False
        ) as first:
            _check(address, _resources(first))
    except OSError as error:
        raise ClusterUnusable(
            f"No scheduler that takes our certificates answers at {address} ({error}). "
            "Start one with `fallline scheduler`."
        ) from None
    with Client(address, security=security, timeout=FOR_EVER) as client:
        yield client


def fitting(client: Client) -> int:
    """How many workers could train a wave; none while there is no scheduler."""
    if client.status != "running":
        return 0
    try:
        return sum(KIND in each for each in _resources(client))
    except OSError:
        return 0


def _resources(client: Client) -> list[dict[str, float]]:
    """What each worker says that it has."""

    async def ask() -> list[dict[str, float]]:
        scheduler: Any = client.scheduler  # an rpc, or None once it is closed
        found = await scheduler.identity(n_workers=-1)
        return [worker["resources"] for worker in found["workers"].values()]

    resources: list[dict[str, float]] = client.sync(ask)
    return resources


def _check(address: str, resources: list[dict[str, float]]) -> None:
    others = {name for each in resources if KIND not in each for name in each if "fallline" in name}
    if resources and not any(KIND in each for each in resources):
        has = "; ".join(sorted(others)) or "no Fallline"
        raise ClusterUnusable(
            f"None of the {len(resources)} workers at {address} fits this server, which has {KIND}; "
            f"they have {has}. Install the same versions."
        )
    if others:
        logger.warning("workers of other versions get no waves: %s", "; ".join(sorted(others)))
