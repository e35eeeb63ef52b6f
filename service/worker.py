"""What runs on a worker: one wave, from its description to its results.

Nothing here may know the database; a worker sees a dataset's file and a description.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import psutil
import torch
from distributed import Event

from service.errors import Unavailable
from service.ingest import read_parquet
from service.store import Store
from studies.confirmation import Run, run_confirmation
from studies.data.prepare import Data, prepare
from studies.data.schema import describe
from studies.environment import PACKAGES, Environment, present_environment
from studies.estimate import Estimate, estimate
from studies.spec import StudySpec
from studies.trained import Trained, train_for_weights
from studies.wave import TrialResult, WaveTrial, run_wave

PREPARING = {"target", "task", "seed", "model", "columns", "split", "class_weight"}
"""The fields of a spec that decide how its data is cut and encoded."""

POLL_SECONDS = 0.5  # how often a wave asks whether it should stop
NO_MEMORY = "can't allocate memory"  # as torch's allocator for CPUs says it, in a RuntimeError
STORE_SECONDS = 600.0  # how long a worker waits for a storage that is away
MESSAGE_CHARACTERS = 200  # the last ones tell how much was asked for

KIND = "fallline " + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
"""The resource by which waves find workers of the server's own versions: others could not read them,
or would come to other numbers."""

T = TypeVar("T")

_store: Store | None = None


@dataclass(frozen=True)
class Wave:
    """Everything that a worker needs to train a wave.

    Attributes:
        dataset: the canonical Parquet file on the server's machine; its name is its digest, by which a
            worker elsewhere has it fetched.
        spec: the resolved spec.
        trials: what to train.
        number: of the wave within its study; of no matter in a confirmation.
        deadline: when the job's budget of time ends, in seconds since 1970, as it may take a while
            to get here; None if there is none.
        stop: name of the event that ends the wave early.
    """

    dataset: Path
    spec: StudySpec
    trials: list[WaveTrial]
    number: int
    deadline: float | None
    stop: str


@dataclass(frozen=True)
class Look:
    """What a worker sees before the first wave.

    Attributes:
        warnings: what the user should know about the data, once it is cut and encoded.
        rows: of each part, by its name.
        environment: the worker's.
    """

    warnings: list[str]
    rows: dict[str, int]
    environment: Environment


@dataclass(frozen=True)
class Retrained:
    """What came of a wave, and the environment that it came in."""

    results: list[TrialResult]
    environment: Environment


@dataclass(frozen=True)
class Network:
    """The weights of a wave of one trial, None if it diverged, and where they were trained."""

    trained: Trained | None
    environment: Environment


class OutOfMemory(Exception):
    """There was not enough memory to train it; the text has the figures."""


def begin(begun: str, function: Callable[..., T], *arguments: object) -> T:
    """Do something on this worker, and let it be known meanwhile that it has begun.

    Raises:
        OutOfMemory: in place of torch's errors.
    """
    event = Event(begun)
    event.set()
    try:
        return function(*arguments)
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if type(error) is RuntimeError and NO_MEMORY not in str(error):
            raise
        memory = psutil.virtual_memory()
        said = " ".join(str(error).split())[-MESSAGE_CHARACTERS:]
        raise OutOfMemory(
            f"out of memory, with {memory.available:,} of {memory.total:,} bytes free: {said}"
        ) from None
    finally:
        event.clear()


def train_wave(wave: Wave) -> list[TrialResult]:
    """Train a wave on this worker."""
    data = _data(wave.dataset, wave.spec)
    return run_wave(data, wave.spec, wave.trials, _keep_going(wave), wave.number)


def confirm_wave(wave: Wave) -> list[Run]:
    """Train finalists again on this worker."""
    data = _data(wave.dataset, wave.spec)
    return run_confirmation(data, wave.spec, wave.trials, _keep_going(wave))


def retrain(wave: Wave) -> Retrained:
    """Train a wave on this worker, and say what the worker is."""
    return Retrained(train_wave(wave), present_environment())


def train_network(wave: Wave) -> Network:
    """Train a wave of one trial on this worker for its weights."""
    (member,) = wave.trials
    data = _data(wave.dataset, wave.spec)
    return Network(train_for_weights(data, wave.spec, member), present_environment())


def look(dataset: Path, spec: StudySpec) -> Look:
    """Cut and encode the data on this worker."""
    data = _data(dataset, spec)
    rows = {part: len(getattr(data, part).inputs) for part in ("train", "validation", "test")}
    return Look(list(data.warnings), rows, present_environment())


def foretell(dataset: Path, spec: StudySpec, workers: int) -> Estimate:
    """Train for a moment on this worker, to see what a study will cost on so many."""
    return estimate(_data(dataset, spec), spec, workers)


def _data(dataset: Path, spec: StudySpec) -> Data:
    return _prepared(dataset, spec.model_dump_json(include=PREPARING))


def use_store(store: Store) -> None:
    """Have the datasets of waves fetched from there: the server's files are on another machine."""
    global _store  # noqa: PLW0603 - set once, as the process begins
    _store = store


def _fetched(store: Store, digest: str) -> Path:
    """The local copy of a dataset; waits for a storage that is away.

    Raises:
        Unavailable: it has been away for too long.
        NotFound: it has no such dataset.
    """
    deadline = time.monotonic() + STORE_SECONDS
    while True:
        try:
            return store.path(digest)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECONDS)


@lru_cache(maxsize=4)
def _prepared(dataset: Path, fields: str) -> Data:
    """The dataset cut and encoded as these fields of a spec ask."""
    table = read_parquet(dataset if _store is None else _fetched(_store, dataset.name))
    return prepare(table, describe(table), StudySpec.model_validate_json(fields))


def _keep_going(wave: Wave) -> Callable[[], bool]:
    began = time.monotonic()  # which nobody sets to another time in between
    deadline = float("inf")
    if wave.deadline is not None:
        deadline = began + wave.deadline - time.time()
    stop = Event(wave.stop)
    next_poll = began + POLL_SECONDS

    def keep_going() -> bool:
        nonlocal next_poll
        now = time.monotonic()
        if now >= deadline:
            return False
        if now < next_poll:
            return True
        next_poll = now + POLL_SECONDS
        return not stop.is_set()

    return keep_going
