"""Who waits for which replay, on workers that are only pretended."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from service.engine import Abandoned, WorkersDied
from service.errors import Unavailable
from service.replays import PLACES, Replays
from service.worker import OutOfMemory, Retrained, Wave
from studies.environment import present_environment
from studies.spec import StudySpec

WAVE = Wave(Path("table.parquet"), StudySpec(), [], 0, None, "stop")
FOUND = Retrained([], present_environment())


class Work:
    """Whoever tests says what came of it."""

    def __init__(self) -> None:
        self.future: Future[Retrained] = Future()
        self.done = self.future.done

    def result(self, _wanted: Callable[[], bool]) -> Retrained:
        if not self.done():
            raise Abandoned
        return self.future.result()


class Engine:
    """Trains nothing."""

    def __init__(self) -> None:
        self.started: list[Work] = []

    def retrain(self, _wave: Wave) -> Work:
        self.started.append(Work())
        return self.started[-1]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def replays(engine: Any) -> Replays:
    return Replays(engine)


def start(replays: Replays, count: int) -> None:
    for number in range(count):
        with pytest.raises(Unavailable, match="Ask again"):
            replays.retrain(("job", number), WAVE)


def test_the_same_replay_is_started_once(engine: Engine, replays: Replays) -> None:
    start(replays, 1)
    start(replays, 1)
    (started,) = engine.started
    started.future.set_result(FOUND)
    assert replays.retrain(("job", 0), WAVE) == FOUND
    start(replays, 1)  # it has been told: a new request is a new replay
    assert len(engine.started) == 2


def test_one_that_breaks_is_told_once_and_may_be_tried_again(
    engine: Engine, replays: Replays
) -> None:
    start(replays, 1)
    engine.started[0].future.set_exception(OSError("the file is gone"))
    with pytest.raises(OSError, match="the file is gone"):
        replays.retrain(("job", 0), WAVE)
    start(replays, 1)


@pytest.mark.parametrize("error", [WorkersDied("3 workers died"), OutOfMemory("out of memory")])
def test_one_that_no_worker_can_do_is_refused(
    engine: Engine, replays: Replays, error: Exception
) -> None:
    start(replays, 1)
    engine.started[0].future.set_exception(error)
    with pytest.raises(Unavailable, match=f"could not be trained: {error}"):
        replays.retrain(("job", 0), WAVE)


def test_there_is_room_for_a_few_and_what_has_ended_makes_room(
    engine: Engine, replays: Replays
) -> None:
    start(replays, PLACES)
    with pytest.raises(Unavailable, match="trainings are under way"):
        replays.retrain(("job", PLACES), WAVE)
    engine.started[3].future.set_result(FOUND)
    start(replays, PLACES - 5)  # the same ones
    with pytest.raises(Unavailable, match="Ask again"):
        replays.retrain(("job", PLACES), WAVE)
    assert len(engine.started) == PLACES + 1


def test_few_requests_wait(
    engine: Engine, replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def result(_work: Work, _wanted: Callable[[], bool]) -> Retrained:
        """As if another request came while this one waits."""
        if len(engine.started) <= PLACES:
            try:
                return replays.retrain(("job", len(engine.started)), WAVE)
            except Unavailable as error:
                refused.append(str(error))
        return FOUND

    monkeypatch.setattr(Work, "result", result)
    assert replays.retrain(("job", 0), WAVE) == FOUND
    assert refused == ["8 requests wait for trainings already; try again."]
