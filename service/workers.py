"""Processes that train: each joins a Dask cluster, and is replaced when it dies."""

import asyncio
import logging
import os
import threading
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe, parent_process
from multiprocessing.connection import Connection, wait
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
# What goes wrong with a wave reaches the server as an exception; workers and schedulers that come and go
# are no news, neither to those who stay nor while all of it ends.
logging.getLogger("distributed").setLevel(logging.CRITICAL)

NICENESS = 10  # the server goes first: an answer takes milliseconds, a wave seconds
BEAT_SECONDS = 1.0  # between two signs of a worker's life
SILENT_SECONDS = 30.0  # after which it is taken for dead; the scheduler's own patience ends before
BEGIN_SECONDS = 300.0  # until the first: the machine may be busy importing
POLL_SECONDS = 2.0
SHORT_LIFE_SECONDS = 1.0  # a worker that died so young is not replaced before as long again

DASK = {
    # No HTTP beside our own, which has a login.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.scheduler.worker-ttl": "20s",
    # Or else every process looks at all its threads a hundred times a second, for pages that are not served.
    "distributed.worker.profile.enabled": False,
    # A wave is given to a worker at once, even to a busy one; others may fetch it when they are free.
    "distributed.scheduler.work-stealing-interval": "50ms",
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


@dataclass
class _Member:
    """A worker's process, and when it last gave a sign of life."""

    process: BaseProcess
    pulse: Connection
    began: float
    seen: float | None = None

    def feel(self) -> None:
        """Take in what signs there are."""
        with suppress(EOFError, OSError):  # it is dead, and soon replaced
            while self.pulse.poll():
                self.pulse.recv_bytes()
                self.seen = time.monotonic()

    @property
    def hangs(self) -> bool:
        """Whether it has been silent for too long: stopped, or stuck in a call that never ends."""
        now = time.monotonic()
        if self.seen is None:
            return now - self.began > BEGIN_SECONDS
        return now - self.seen > SILENT_SECONDS


class Workers(AbstractContextManager["Workers"]):
    """So many workers of one cluster, started by this process and ended with it.

    One that dies is replaced at once, one that hangs is killed and replaced.

    Args:
        number: of processes, each with one thread.
        membership: of what cluster.
    """

    def __init__(self, number: int, membership: Membership) -> None:
        make_ready()
        self._membership = membership
        self._closed, self._closing = Pipe(duplex=False)
        self._members = [self._start() for _ in range(number)]
        self._thread = threading.Thread(target=self._watch, name="workers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End them, whatever they do; once is enough."""
        self._closing.close()
        self._thread.join()
        for member in self._members:
            member.process.kill()
        for member in self._members:
            member.process.join()
            member.pulse.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _start(self) -> _Member:
        pulse, theirs = Pipe(duplex=False)
        process = CONTEXT.Process(target=work, args=(self._membership, theirs), name="worker")
        process.start()
        theirs.close()
        return _Member(process, pulse, time.monotonic())

    def _watch(self) -> None:
        while True:
            deaths = [member.process.sentinel for member in self._members]
            if self._closed in wait([self._closed, *deaths], POLL_SECONDS):
                return
            for place, member in enumerate(self._members):
                member.feel()
                if member.hangs:
                    logger.warning("a worker has been silent for too long: it is replaced")
                    member.process.kill()
                    member.process.join()
                if member.process.is_alive():
                    continue
                lived = time.monotonic() - member.began
                if lived < SHORT_LIFE_SECONDS and self._closed.poll(SHORT_LIFE_SECONDS):
                    return
                member.pulse.close()
                self._members[place] = self._start()


def work(membership: Membership, pulse: Connection) -> None:
    """Be a worker until the cluster or who started this process is gone.

    Args:
        membership: of what cluster.
        pulse: takes a sign of life every second.
    """
    from service.worker import KIND, use_store  # noqa: PLC0415 - torch: who starts us does without

    end_with_parent()
    os.nice(NICENESS)
    dask.config.set(DASK)
    if membership.store is not None:
        folder, elsewhere, cache_bytes = membership.store
        use_store(Store(folder, ObjectStorage(elsewhere), cache_bytes, owned=False))
    try:
        asyncio.run(_work(membership, {KIND: 1, "memory": _memory()}, pulse))
    except OSError as error:  # such as a certificate that is not the cluster's
        logger.warning("cannot join %s: %s", membership.address, error)
        os._exit(1)
    os._exit(0)  # not waiting for a wave that nobody waits for


async def _work(membership: Membership, resources: dict[str, float], pulse: Connection) -> None:
    beating = asyncio.create_task(_beat(pulse))
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
    beating.cancel()


async def _beat(pulse: Connection) -> None:
    while True:
        pulse.send_bytes(b".")
        await asyncio.sleep(BEAT_SECONDS)


def _memory() -> float:
    """A worker's share of this machine's bytes."""
    return psutil.virtual_memory().total / (os.cpu_count() or 1)


def end_with_parent() -> None:
    """End this process, whatever it does, as soon as who started it has ended."""
    parent = parent_process()
    if parent is not None:

        def watch() -> None:
            wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=watch, name="parent", daemon=True).start()
