"""The server vanishes in the middle of a job, and the job does not mind."""

import signal
import time
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from service.client import Client
from tests.datasets import breast_cancer
from tests.end_to_end.conftest import Machine
from tests.service.journeys import until

pytestmark = pytest.mark.xdist_group("restart")

TRIALS = 50
SPEC: dict[str, Any] = {
    "model": {"hidden": [16]},
    "space": {"batch": [32], "optimizers": ["sgd", "adam", "momentum"]},
    "budget": {"trials": TRIALS, "epochs": 60},
    "rungs": {"rule": "halving"},
    "confirmation": {"seeds": 2},
    "seed": 11,
    "transfer": False,  # the same study twice
}


def seen(machine: Machine, job: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The trials of a job as Optuna reads them from the file."""
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{machine.home / 'fallline.db'}", skip_table_creation=True
    )
    try:
        trials = optuna.load_study(study_name=job["study"], storage=storage).trials
    finally:
        storage.remove_session()
        storage.engine.dispose()
    return [(t.number, t.state, t.params, t.values, t.intermediate_values) for t in trials]


def training(client: Client, job: str, waves: int) -> dict[str, Any]:
    """The job while trials are under way and so many waves lie behind it."""

    def look() -> dict[str, Any] | None:
        view = client.job(job)
        assert view["state"] in {"queued", "running"}
        return view if view["counts"]["running"] and view["waves"] >= waves else None

    return until(look)


@pytest.mark.timeout(300)  # three servers, one after another
def test_a_job_survives_its_server(machine: Machine) -> None:
    machine.start()
    with machine.client() as client:
        file = breast_cancer(machine.home / "table.csv", imperfect=True)
        dataset = client.upload(file, target="diagnosis")
        *_, undisturbed = client.watch(client.submit(dataset["id"], **SPEC)["id"])
        assert undisturbed["state"] == "completed"
        job = client.submit(dataset["id"], **SPEC)["id"]
        waiting = client.submit(dataset["id"], **SPEC | {"budget": {"trials": 8, "epochs": 1}})
        # The first time as soon as trials are under way, then with a wave behind it.
        for waves in (0, 1):
            view = training(client, job, waves)
            machine.kill()
            left = seen(machine, view)
            assert TrialState.RUNNING in {state for _, state, *_ in left}
            assert len(left) < TRIALS
            machine.start()
        *_, final = client.watch(job)
        *_, last = client.watch(waiting["id"])
    assert final["state"] == last["state"] == "completed"
    code, printed = machine.stop(signal.SIGINT)
    assert (code, "Traceback" in printed) == (0, False)
    trials = seen(machine, final)
    # Exactly the budget, none twice, none left running, the same configurations and results.
    assert [number for number, *_ in trials] == list(range(TRIALS))
    assert TrialState.RUNNING not in {state for _, state, *_ in trials}
    assert trials == seen(machine, undisturbed)
    counts = final["counts"]
    assert counts == undisturbed["counts"]
    assert counts["completed"] + counts["dropped"] + counts["diverged"] == TRIALS
    assert counts["dropped"] >= 1
    assert (final["best_value"], final["best_trial"], final["waves"]) == (
        undisturbed["best_value"], undisturbed["best_trial"], undisturbed["waves"],
    )  # fmt: skip


@pytest.mark.timeout(300)
def test_a_server_that_is_asked_to_stop_waits_for_its_waves(machine: Machine) -> None:
    machine.start()
    with machine.client() as client:
        file = breast_cancer(machine.home / "table.csv", imperfect=True)
        spec = SPEC | {"budget": {"trials": 5000, "epochs": 60}}
        job = client.submit(client.upload(file, target="diagnosis")["id"], **spec)["id"]
        view = training(client, job, 1)
    code, printed = machine.stop()
    assert (code, "Traceback" in printed) == (0, False), printed
    assert "Waiting for the waves under way" in printed
    left = seen(machine, view)
    assert TrialState.RUNNING not in {state for _, state, *_ in left}  # nothing to train again
    assert len(left) > view["counts"]["completed"]
    machine.start()
    with machine.client() as client:
        found = until(lambda: (v := client.job(job))["waves"] > view["waves"] + 2 and v)
        assert found["state"] == "running"
    # Asked twice, it leaves at once what would take for ever.
    with machine.client() as client:
        client.cancel(job)
        dataset = found["dataset"]
        endless = client.submit(dataset, **SPEC | {"budget": {"trials": 8, "epochs": 10_000}})
        training(client, endless["id"], 0)
    assert machine.server is not None
    machine.server.send_signal(signal.SIGTERM)
    began = time.monotonic()
    time.sleep(2.0)  # it has stopped to answer by then, and waits
    code, printed = machine.stop()
    assert (code, "Traceback" in printed) == (0, False), printed
    assert time.monotonic() - began < 25.0
