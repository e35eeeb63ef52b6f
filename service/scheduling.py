"""A scheduler in a process of its own."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import dask
from distributed import Scheduler
from distributed.security import Security

from service import certificates
from service.errors import ClusterUnusable
from service.workers import DASK


def schedule(address: str, folder: Path, started: Callable[[], None]) -> None:
    """Be the scheduler of a cluster until told to stop.

    Args:
        address: to listen at.
        folder: with the certificates.
        started: called once it listens.

    Raises:
        CertificatesUnusable: there are none.
        ClusterUnusable: the address cannot be listened at.
    """
    security = certificates.security(address, folder)
    with dask.config.set(DASK):
        asyncio.run(_schedule(address, security, started))


async def _schedule(address: str, security: Security, started: Callable[[], None]) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    try:
        scheduler = await Scheduler(
            host=address, security=security, dashboard_address="127.0.0.1:0"
        )
    except OSError as error:
        raise ClusterUnusable(f"Cannot listen at {address}: {error.strerror}.") from None
    started()
    await stop.wait()
    await scheduler.close()
