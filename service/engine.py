"""The cluster that trains: Dask distributed, embedded in the server, loopback only, over TLS.

Losing the engine loses time and nothing else: the database is the truth.
"""

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import dask
from distributed import Client, Event, Future, LocalCluster, Worker, WorkerPlugin, wait
from distributed.security import Security

from service.processes import METHOD, WORKER_ENVIRONMENT, make_ready
from service.worker import (
    Look,
    Network,
    Retrained,
    Wave,
    confirm_wave,
    foretell,
    look,
    retrain,
    train_network,
    train_wave,
)
from studies.confirmation import Run
from studies.estimate import Estimate
from studies.spec import StudySpec
from studies.wave import TrialResult

NICENESS = 10
POLL_SECONDS = 0.25  # how often a wait for a wave looks whether it is still wanted

_CONFIG = {
    "distributed.worker.multiprocessing-method": METHOD,
    "distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT,  # where they are not forked
    # No HTTP beside our own, which has a login.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.scheduler.worker-ttl": "20s",
    "distributed.scheduler.allowed-failures": 3,
}


class _Yielding(WorkerPlugin):
    """Lets the server go first wherever both want a core: an answer takes milliseconds, a wave seconds."""

    def setup(self, worker: Worker) -> None:
        os.nice(NICENESS)  # of this thread, and of those that it will start to train in


T = TypeVar("T")

Work = Future[T]
"""Something under way on a worker."""


class Abandoned(Exception):
    """The wave is no longer wanted: its job was cancelled, or the server is stopping."""


class Engine(AbstractContextManager["Engine"]):
    """Workers that train waves.

    Args:
        workers: how many processes.

    Attributes:
        slots: how many waves can train at once.
    """

    def __init__(self, workers: int) -> None:
        self.slots = workers
        make_ready()
        # For good: a worker that is replaced later is started by the same.
        dask.config.set(_CONFIG)
        self._cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            protocol="tls://",
            security=Security.temporary(),
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            # What goes wrong reaches us as an exception; missed heartbeats at the end are no news.
            silence_logs=logging.CRITICAL,
        )
        self._client = Client(self._cluster)
        self._client.register_plugin(_Yielding())

    @property
    def workers(self) -> int:
        """How many workers are there now; one that died is soon replaced."""
        scheduler = self._cluster.scheduler
        return len(scheduler.workers) if scheduler else 0

    def submit(self, wave: Wave) -> Work[list[TrialResult]]:
        """Start training a wave; its result is `list[TrialResult]`."""
        return self._client.submit(train_wave, wave, pure=False, retries=0)

    def confirm(self, wave: Wave) -> Work[list[Run]]:
        """Start training finalists again; its result is `list[Run]`."""
        return self._client.submit(confirm_wave, wave, pure=False, retries=0)

    def retrain(self, wave: Wave) -> Work[Retrained]:
        """Start training a wave ahead of those that wait; its result is `Retrained`."""
        return self._client.submit(retrain, wave, pure=False, retries=0, priority=1)

    def train_network(self, wave: Wave) -> Work[Network]:
        """Start training a wave of one trial likewise; its result is `Network`."""
        return self._client.submit(train_network, wave, pure=False, retries=0, priority=1)

    def look(self, dataset: Path, spec: StudySpec) -> Work[Look]:
        """Start preparing a dataset; its result is what there is to know before it is trained on."""
        return self._client.submit(look, dataset, spec, pure=False, retries=0)

    def foretell(self, dataset: Path, spec: StudySpec) -> Work[Estimate]:
        """Start estimating what a study will cost, ahead of waves that wait."""
        return self._client.submit(
            foretell, dataset, spec, self.slots, pure=False, retries=0, priority=1
        )

    def wait(self, future: Work[T], wanted: Callable[[], bool]) -> T:
        """What came of a wave or a look.

        Raises:
            Abandoned: ``wanted`` said no before it ended.
        """
        while not future.done():
            try:
                # Not `future.result(timeout)`: where that gives up it cancels what the next call
                # would be waiting for.
                wait(future, timeout=POLL_SECONDS)
            except TimeoutError:
                if not wanted():
                    raise Abandoned from None
        result: T = future.result()
        return result

    def stop(self, name: str) -> None:
        """Let the waves that watch this name end at their next epoch."""
        Event(name, client=self._client).set()

    def close(self) -> None:
        """End the workers."""
        self._client.close()
        self._cluster.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
