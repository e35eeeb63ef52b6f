"""Trainings for a request: replays of trials, and estimates, ahead of waves that wait.

An answer may take as long as the waves under way, which is longer than a request should. So a
training goes on when its request has given up, and whoever asks for it again finds it.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from service.engine import Abandoned, Engine, Work, WorkersDied
from service.errors import Unavailable
from service.worker import Network, OutOfMemory, Retrained, Wave
from studies.estimate import Estimate
from studies.spec import StudySpec

PLACES = 8  # trainings at once, and requests that wait for one: each holds a thread
WAIT_SECONDS = 15.0

T = TypeVar("T")


class Replays:
    """Trainings under way or not yet asked for again.

    Args:
        engine: what trains.
        wait_seconds: before a request gives up.
    """

    def __init__(self, engine: Engine, wait_seconds: float = WAIT_SECONDS) -> None:
        self._engine, self._wait_seconds = engine, wait_seconds
        self._started: dict[object, Work[Any]] = {}
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(PLACES)

    def retrain(self, key: tuple[str, int], wave: Wave) -> Retrained:
        """What comes of a wave, trained now or, by an earlier request, before.

        Args:
            key: of the job and the trial.
            wave: to train, if nobody has asked for it yet.

        Raises:
            Unavailable: it has not ended yet, or there are too many.
        """
        return self._result(key, lambda: self._engine.retrain(wave))

    def network(self, key: tuple[str, int, int], wave: Wave) -> Network:
        """The weights of a wave of one trial, likewise.

        Args:
            key: of the job, the trial and the seed.
            wave: to train, if nobody has asked for it yet.

        Raises:
            Unavailable: it has not ended yet, or there are too many.
        """
        return self._result(key, lambda: self._engine.train_network(wave))

    def estimate(self, dataset: Path, spec: StudySpec) -> Estimate:
        """What a study will cost, found by training for a moment.

        Args:
            dataset: the canonical Parquet file.
            spec: resolved.

        Raises:
            Unavailable: it has not ended yet, or there are too many.
        """
        key = (dataset, spec.model_dump_json())
        return self._result(key, lambda: self._engine.foretell(dataset, spec))

    def _result(self, key: object, start: Callable[[], Work[T]]) -> T:
        if not self._waiting.acquire(blocking=False):
            raise Unavailable(f"{PLACES} requests wait for trainings already; try again.")
        try:
            work = self._find(key, start)
            deadline = time.monotonic() + self._wait_seconds
            try:
                return work.result(lambda: time.monotonic() < deadline)
            except Abandoned:
                raise Unavailable(
                    "The workers are busy: this training has not ended yet. Ask again for its result."
                ) from None
            except (WorkersDied, OutOfMemory) as error:
                raise Unavailable(f"This could not be trained: {error}.") from error
            finally:
                if work.done():
                    self._forget(key)
        finally:
            self._waiting.release()

    def _find(self, key: object, start: Callable[[], Work[T]]) -> Work[T]:
        with self._lock:
            if key not in self._started:
                self._make_room()
                self._started[key] = start()
            return self._started[key]

    def _make_room(self) -> None:
        """Nobody may ever ask again for what has ended."""
        if len(self._started) >= PLACES:
            self._started = {k: work for k, work in self._started.items() if not work.done()}
        if len(self._started) >= PLACES:
            raise Unavailable(f"{PLACES} trainings are under way already; try again.")

    def _forget(self, key: object) -> None:
        with self._lock:
            self._started.pop(key, None)
