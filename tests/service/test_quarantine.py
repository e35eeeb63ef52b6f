"""Trials that workers die of: who is to blame is found, and nobody else suffers."""

import os
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service.engine import DEATHS, Engine
from service.quarantine import Untrainable, trained
from studies.wave import TrialResult
from tests.service import poison
from tests.service.conftest import Live
from tests.service.journeys import ended, submit, table, upload, walk
from tests.service.test_engine import always, dataset, results, wave

__all__ = ["dataset"]

pytestmark = [pytest.mark.xdist_group("quarantine"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(1) as opened:
        yield opened


@pytest.fixture
def harm(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes trials of these numbers ``deadly`` or ``greedy``."""

    def harmed(deadly: Collection[int] = (), greedy: Collection[int] = ()) -> None:
        harmful = partial(poison.train_wave, deadly=deadly, greedy=greedy)
        monkeypatch.setattr("service.engine.train_wave", harmful)

    return harmed


def split(found: list[TrialResult]) -> tuple[list[tuple[object, ...]], dict[int, str]]:
    """Those that were trained, and why the others were not."""
    lost = {each.number: each.reason for each in found if each.reason is not None}
    assert {each.outcome for each in found if each.number in lost} <= {"stopped"}
    assert all(each.value is None for each in found if each.number in lost)
    return results([each for each in found if each.number not in lost]), lost


def test_the_trial_that_workers_die_of_is_found(engine: Engine, dataset: Path, harm: Any) -> None:
    asked = wave(dataset)
    expected = results(engine.submit(asked).result(always))
    harm(deadly={5})
    deadly = engine.submit(asked)
    harm()
    waiting = engine.submit(wave(dataset))  # on the same worker, behind it
    harm(deadly={5})
    found = trained(engine, asked, deadly, always)
    assert [each.number for each in found] == list(range(8))
    others, lost = split(found)
    assert others == [each for each in expected if each[0] != 5]
    assert lost == {5: f"{DEATHS} workers that trained it died, one after another"}
    assert results(waiting.result(always)) == expected
    assert waiting._deaths == 0


def test_a_trial_that_does_not_fit_into_memory_ends_alone(
    engine: Engine, dataset: Path, harm: Any
) -> None:
    asked = wave(dataset)
    expected = results(engine.submit(asked).result(always))
    pids = engine._client.run(os.getpid)
    harm(greedy={2, 6})
    others, lost = split(trained(engine, asked, engine.submit(asked), always))
    assert others == [each for each in expected if each[0] not in {2, 6}]
    assert lost.keys() == {2, 6}
    for reason in lost.values():
        assert reason.startswith("out of memory, with ")
        assert f"tried to allocate {1 << 60} bytes" in reason
    assert engine._client.run(os.getpid) == pids  # nobody died


def test_a_study_whose_trials_all_fail_is_not_gone_on_with(
    engine: Engine, dataset: Path, harm: Any
) -> None:
    harm(greedy=set(range(8)))
    asked = wave(dataset)
    with pytest.raises(Untrainable, match="3 trials in a row could not be trained: out of memory"):
        trained(engine, asked, engine.submit(asked), always)


def test_a_job_with_such_a_trial_completes(live: Live, harm: Any) -> None:
    harm(deadly={3}, greedy={6})
    job = submit(live.client, upload(live.client, table()))
    final = ended(live.client, job["id"])
    assert final["state"] == "completed"
    assert (final["counts"]["stopped"], final["counts"]["completed"]) == (2, 6)
    trials = {each["number"]: each for each in walk(live.client, f"/v1/jobs/{job['id']}/trials")}
    assert trials[3]["outcome"] == trials[6]["outcome"] == "stopped"
    assert "workers that trained it died" in trials[3]["reason"]
    assert "out of memory" in trials[6]["reason"]


def test_a_confirmation_that_nobody_survives_leaves_the_search(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.confirm_wave", poison.confirm_wave)
    job = submit(live.client, upload(live.client, table()), confirmation={"seeds": 2})
    final = ended(live.client, job["id"])
    assert (final["state"], final["confirmed"]) == ("completed", False)
    assert any("could not be trained again" in each for each in final["warnings"])
    assert live.client.get(f"/v1/jobs/{job['id']}/best").status_code == 200
