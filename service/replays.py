"""Replays: stored trials that train again, ahead of the waves that wait.

An answer may take as long as the waves under way, which is longer than a request should. So a
replay goes on when its request has given up, and whoever asks for it again finds it.
"""

import threading
import time

from service.engine import Abandoned, Engine, Work
from service.errors import Unavailable
from service.worker import Retrained, Wave

PLACES = 8  # replays at once, and requests that wait for one: each holds a thread
WAIT_SECONDS = 15.0

Key = tuple[str, int]


class Replays:
    """Replays under way or not yet asked for again.

    Args:
        engine: what trains.
        wait_seconds: before a request gives up.
    """

    def __init__(self, engine: Engine, wait_seconds: float = WAIT_SECONDS) -> None:
        self._engine, self._wait_seconds = engine, wait_seconds
        self._started: dict[Key, Work[Retrained]] = {}
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(PLACES)

    def retrain(self, key: Key, wave: Wave) -> Retrained:
        """What comes of a wave, trained now or, by an earlier request, before.

        Args:
            key: of the job and the trial.
            wave: to train, if nobody has asked for it yet.

        Raises:
            Unavailable: it has not ended yet, or there are too many.
        """
        if not self._waiting.acquire(blocking=False):
            raise Unavailable(f"{PLACES} requests wait for replays already; try again.")
        try:
            future = self._find(key, wave)
            deadline = time.monotonic() + self._wait_seconds
            try:
                return self._engine.wait(future, lambda: time.monotonic() < deadline)
            except Abandoned:
                raise Unavailable(
                    "The workers are busy: the replay has not ended yet. Ask again for its result."
                ) from None
            finally:
                if future.done():
                    self._forget(key)
        finally:
            self._waiting.release()

    def _find(self, key: Key, wave: Wave) -> Work[Retrained]:
        with self._lock:
            if key not in self._started:
                self._make_room()
                self._started[key] = self._engine.retrain(wave)
            return self._started[key]

    def _make_room(self) -> None:
        """Nobody may ever ask again for what has ended."""
        if len(self._started) >= PLACES:
            self._started = {k: future for k, future in self._started.items() if not future.done()}
        if len(self._started) >= PLACES:
            raise Unavailable(f"{PLACES} replays are under way already; try again.")

    def _forget(self, key: Key) -> None:
        with self._lock:
            self._started.pop(key, None)
