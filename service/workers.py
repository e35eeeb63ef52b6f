"""Processes that train: each joins a Dask cluster, and is replaced when it dies."""

import asyncio
import logging
import os
import threading
import time
from contextlib import AbstractContextManager
from multiprocessing import connection, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import dask
import psutil
from distributed import Worker
from distributed.security import Security

from service.object_storage import ObjectStorage
from service.processes import CONTEXT, make_ready
from service.store import Store

logger = logging.getLogger(__name__)

NICENESS = 10  # the server goes first: an answer takes milliseconds, a wave seconds
SHORT_LIFE_SECONDS = 1.0  # a worker that died so young is not replaced before as long again

DASK = {
    # No HTTP beside our own, which has a login.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.scheduler.worker-ttl": "20s",
    # Counted by ourselves: Dask blames whatever waits on the worker that died, begun or not.
    "distributed.scheduler.allowed-failures": 0,
}


class Place(NamedTuple):
    """Where datasets are kept, as `Store` takes it.

    Attributes:
        folder: of local copies.
        elsewhere: address of the file system that has the originals.
        cache_bytes: that copies may take.
    """

    folder: Path
    elsewhere: str
    cache_bytes: int


class Membership(NamedTuple):
    """What a worker needs to join a cluster.

    Attributes:
        address: of its scheduler.
        security: certificates, or the paths of theirs.
        host: address of this machine that the others reach the worker at; None to find it out.
        store: where datasets are, for workers that do not share the server's disk.
    """

    address: str
    security: Security
    host: str | None = None
    store: Place | None = None


class Workers(AbstractContextManager["Workers"]):
    """So many workers of one cluster, started by this process and ended with it.

    Args:
        number: of processes, each with one thread.
        membership: of what cluster.
    """

    def __init__(self, number: int, membership: Membership) -> None:
        make_ready()
        self._membership = membership
        self._closed, self._closing = connection.Pipe(duplex=False)
        self._processes = [self._start() for _ in range(number)]
        self._thread = threading.Thread(target=self._replace_the_dead, name="workers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End them, whatever they do; once is enough."""
        self._closing.close()
        self._thread.join()
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _start(self) -> BaseProcess:
        process = CONTEXT.Process(target=work, args=(self._membership,), name="worker")
        process.start()
        return process

    def _replace_the_dead(self) -> None:
        began = dict.fromkeys(self._processes, time.monotonic())
        while True:
            ended = connection.wait([self._closed, *(each.sentinel for each in self._processes)])
            if self._closed in ended:
                return
            for place, process in enumerate(self._processes):
                if process.sentinel not in ended:
                    continue
                process.join()
                lived = time.monotonic() - began.pop(process)
                if lived < SHORT_LIFE_SECONDS and self._closed.poll(SHORT_LIFE_SECONDS):
                    return
                self._processes[place] = self._start()
                began[self._processes[place]] = time.monotonic()


def work(membership: Membership) -> None:
    """Be a worker until the cluster or who started this process is gone."""
    from service.worker import KIND, use_store  # noqa: PLC0415 - torch: who starts us does without

    end_with_parent()
    os.nice(NICENESS)
    # What goes wrong reaches the server as an exception; a lost scheduler is no news.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    dask.config.set(DASK)
    if membership.store is not None:
        folder, elsewhere, cache_bytes = membership.store
        use_store(Store(folder, ObjectStorage(elsewhere), cache_bytes, owned=False))
    try:
        asyncio.run(_work(membership, {KIND: 1, "memory": _memory()}))
    except OSError as error:  # such as a certificate that is not the cluster's
        logger.warning("cannot join %s: %s", membership.address, error)
        os._exit(1)
    os._exit(0)  # not waiting for a wave that nobody waits for


async def _work(membership: Membership, resources: dict[str, float]) -> None:
    async with Worker(
        membership.address,
        security=membership.security,
        host=membership.host,
        nthreads=1,
        resources=resources,
        memory_limit=0,
        dashboard_address="127.0.0.1:0",
    ) as worker:
        await worker.finished()


def _memory() -> float:
    """A worker's share of this machine's bytes."""
    return psutil.virtual_memory().total / (os.cpu_count() or 1)


def end_with_parent() -> None:
    """End this process, whatever it does, as soon as who started it has ended."""
    parent = parent_process()
    if parent is not None:

        def watch() -> None:
            connection.wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=watch, name="parent", daemon=True).start()
