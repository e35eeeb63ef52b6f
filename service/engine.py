"""What trains: the workers of a Dask cluster, which is the server's own, or one by address.

Losing the engine loses time and nothing else: the database is the truth.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Generic, TypeVar
from uuid import uuid4

import dask
from distributed import Client, Event, Future, wait
from distributed.client import FutureCancelledError, FuturesCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from service.cluster import LOST, connected, embedded, fitting
from service.worker import (
    KIND,
    Look,
    Network,
    Retrained,
    Wave,
    begin,
    confirm_wave,
    foretell,
    look,
    retrain,
    train_network,
    train_wave,
)
from service.workers import DASK, Membership, Workers
from studies.confirmation import Run
from studies.estimate import Estimate
from studies.spec import StudySpec
from studies.wave import TrialResult

POLL_SECONDS = 0.25  # how often a wait for a wave looks whether it is still wanted
DEATHS = 3  # of workers under the same work, before it is what they die of

logger = logging.getLogger(__name__)

T = TypeVar("T")
Hire = Callable[[int, Membership], AbstractContextManager[object]]


class Abandoned(Exception):
    """The wave is no longer wanted: its job was cancelled, or the server is stopping."""


class WorkersDied(Exception):
    """So many workers died while they did it that it is what they die of."""


class Work(Generic[T]):
    """Something under way on a worker; if the worker dies, it begins anew on another.

    Args:
        client: of the cluster.
        function: what to do there.
        arguments: of the function.
        priority: above 0, ahead of what waits.
    """

    def __init__(
        self, client: Client, function: Callable[..., T], *arguments: object, priority: int = 0
    ) -> None:
        self._client = client
        self._call = (function, *arguments)
        self._priority = priority
        self._deaths = 0
        self._lock = threading.Lock()
        self._start()

    def result(self, wanted: Callable[[], bool]) -> T:
        """Wait for what comes of it; several may.

        Raises:
            Abandoned: ``wanted`` said no before it ended.
            WorkersDied: ``DEATHS`` workers died while they did it.
        """
        while True:
            future = self._future
            while not future.done():
                try:
                    # Not `future.result(timeout)`: where that gives up it cancels what the next
                    # call would be waiting for.
                    wait(future, timeout=POLL_SECONDS)
                except TimeoutError:
                    if not wanted():
                        raise Abandoned from None
                except FuturesCancelledError:
                    break  # `result` says why
            try:
                result: T = future.result()
            except KilledWorker:
                self._start_again(future, begun=self._begun.is_set())
            except FutureCancelledError as error:
                if error.reason != LOST:
                    raise
                self._start_again(future, begun=False)  # sent as soon as there is a scheduler
            except CommClosedError:  # the scheduler was lost while it handed the result on
                self._start_again(future, begun=False)
            else:
                return result

    def done(self) -> bool:
        """Whether `result` would not wait."""
        return bool(self._future.done())

    def _start(self) -> None:
        self._begun = Event(uuid4().hex, client=self._client)
        self._future: Future[T] = self._client.submit(
            begin,
            self._begun.name,
            *self._call,
            pure=False,
            retries=0,
            priority=self._priority,
            resources={KIND: 1},
        )

    def _start_again(self, lost: Future[T], *, begun: bool) -> None:
        with self._lock:
            if self._future is not lost:  # somebody else who waits has
                return
            self._deaths += begun
            if self._deaths >= DEATHS:
                raise WorkersDied(f"{DEATHS} workers that trained it died, one after another")
            self._start()


class Engine(AbstractContextManager["Engine"]):
    """Workers that train waves.

    Args:
        workers: how many waves to train at once.
        hire: starts as many workers as members of a cluster, and ends them at the end.
        cluster: that has workers already; left out, one of its own is made.

    Attributes:
        slots: how many waves can train at once.
        in_flight: waves that a study should have under way: some wait, so that no worker does. They
            are told in the order in which they were asked, and a long one keeps back those after it.

    Raises:
        ClusterUnusable: the cluster cannot be reached, or has no worker of this server's versions.
    """

    def __init__(
        self, workers: int, hire: Hire = Workers, cluster: Membership | None = None
    ) -> None:
        self.slots = workers
        self.in_flight = workers + (workers - 1) // 2
        with ExitStack() as opened:
            opened.enter_context(dask.config.set(DASK))
            if cluster is None:
                cluster = opened.enter_context(embedded())
                self._client = opened.enter_context(connected(cluster))
                opened.enter_context(hire(workers, cluster))
            else:
                opened.enter_context(hire(0, cluster))  # its workers are started where they are
                self._client = opened.enter_context(connected(cluster))
            self._opened = opened.pop_all()

    @property
    def workers(self) -> int:
        """How many workers there are now that could train a wave."""
        return fitting(self._client)

    def submit(self, wave: Wave) -> Work[list[TrialResult]]:
        """Start training a wave."""
        return Work(self._client, train_wave, wave)

    def confirm(self, wave: Wave) -> Work[list[Run]]:
        """Start training finalists again."""
        return Work(self._client, confirm_wave, wave)

    def retrain(self, wave: Wave) -> Work[Retrained]:
        """Start training a wave ahead of those that wait."""
        return Work(self._client, retrain, wave, priority=1)

    def train_network(self, wave: Wave) -> Work[Network]:
        """Start training a wave of one trial likewise."""
        return Work(self._client, train_network, wave, priority=1)

    def look(self, dataset: Path, spec: StudySpec) -> Work[Look]:
        """Start preparing a dataset, to know what there is to know before it is trained on."""
        return Work(self._client, look, dataset, spec)

    def foretell(self, dataset: Path, spec: StudySpec) -> Work[Estimate]:
        """Start estimating what a study will cost, ahead of waves that wait."""
        return Work(self._client, foretell, dataset, spec, self.slots, priority=1)

    def stop(self, name: str) -> None:
        """Let the waves that watch this name end at their next epoch."""
        try:
            Event(name, client=self._client).set()
        except OSError:
            logger.warning("the scheduler is away, and with it the waves that were to be stopped")

    def close(self) -> None:
        """End the workers and the cluster."""
        self._opened.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
