import pickle
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from service.engine import Engine
from service.ingest import read_parquet, read_upload
from service.worker import Wave
from studies.data.prepare import prepare
from studies.data.schema import describe
from studies.wave import TrialResult, run_wave
from tests.service.test_engine import always, dataset, wave

__all__ = ["dataset"]  # a fixture

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(1) as opened:
        yield opened


def trained(engine: Engine, work: Wave) -> list[TrialResult]:
    return engine.submit(work).result(always)


def without_time(found: list[TrialResult]) -> list[TrialResult]:
    return [replace(each, seconds=0.0) for each in found]


def test_a_worker_trains_what_the_wave_says_to_the_last_bit(engine: Engine, dataset: Path) -> None:
    work = wave(dataset)
    table = read_parquet(dataset)
    assert table.equals(read_upload(dataset.with_suffix(".csv")).table)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        here = run_wave(prepare(table, describe(table), work.spec), work.spec, work.trials)
    finally:
        torch.set_num_threads(before)
    assert without_time(trained(engine, work)) == without_time(here)


def test_what_is_sent_and_returned_survives_the_journey(engine: Engine, dataset: Path) -> None:
    work = wave(dataset)
    assert pickle.loads(pickle.dumps(work)) == work
    found = trained(engine, work)
    assert pickle.loads(pickle.dumps(found)) == found


def test_without_seconds_left_every_trial_is_stopped_before_it_begins(
    engine: Engine, dataset: Path
) -> None:
    for left in (0.0, -5.0):
        for each in trained(engine, replace(wave(dataset), deadline=time.time() + left)):
            assert (each.outcome, each.value, each.curve) == ("stopped", None, {})


def test_a_wave_ends_when_its_seconds_are_over(engine: Engine, dataset: Path) -> None:
    found = trained(engine, replace(wave(dataset, epochs=10_000), deadline=time.time() + 1.0))
    assert "stopped" in {each.outcome for each in found}
    assert any(each.curve for each in found)
    assert all(each.value is None for each in found)


def test_a_wave_ends_when_it_is_told_to(engine: Engine, dataset: Path) -> None:
    engine.stop("told")
    found = trained(engine, wave(dataset, epochs=10_000, stop="told"))
    assert "stopped" in {each.outcome for each in found}
    assert "completed" not in {each.outcome for each in found}


def test_a_stop_reaches_only_who_watches_it(engine: Engine, dataset: Path) -> None:
    engine.stop("another")
    found = trained(engine, wave(dataset, epochs=50, stop="mine"))
    assert "stopped" not in {each.outcome for each in found}
