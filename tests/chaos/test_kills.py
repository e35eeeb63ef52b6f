"""Server and workers are killed at random, again and again, and no study is any the worse for it."""

import os
import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.chaos.invariants import check, check_file
from tests.chaos.patience import Patient
from tests.datasets import breast_cancer
from tests.end_to_end.conftest import Machine
from tests.service.journeys import Json, until

KILLS = int(os.environ.get("KILLS", "40"))
SEED = int(os.environ.get("SEED", time.time_ns() % 2**32))
OF_THE_SERVER = 0.5  # of all kills; the others are of workers
WAIT_SECONDS = (0.05, 1.0)  # from being ready to the next kill
AGAIN_SECONDS = 3.0  # by when a server is to be ready again

pytestmark = pytest.mark.timeout(300 + 10 * KILLS)

SPECS: list[Json] = [
    {
        "model": {"hidden": [16]},
        "space": {"batch": [32], "optimizers": ["sgd", "adam", "momentum"]},
        "budget": {"trials": 150, "epochs": 20},
        "rungs": {"rule": "halving"},
        "confirmation": {"seeds": 3},
        "seed": 11,
        "transfer": False,  # the same study each time
    },
    {
        "model": {"hidden": [8]},
        "space": {"batch": ["full", 64]},
        "budget": {"trials": 400, "epochs": 30},
        "confirmation": {"seeds": 2},
        "seed": 12,
        "transfer": False,
    },
]


class Killer:
    """Kills with a seed.

    Attributes:
        again: seconds until the server was ready again, for each time that it was killed.
        workers: how many were killed.
    """

    def __init__(self, machine: Machine, seed: int) -> None:
        self._machine, self._random = machine, random.Random(seed)
        self.again: list[float] = []
        self.workers = 0

    def kill(self) -> None:
        """One process, some time after the server was ready."""
        until(self._machine.ready)
        time.sleep(self._random.uniform(*WAIT_SECONDS))
        server, workers = self._machine.processes()
        if not workers or self._random.random() < OF_THE_SERVER:
            began = time.monotonic()
            server.kill()
            psutil.wait_procs([server], timeout=30)
            until(self._machine.ready)
            self.again.append(time.monotonic() - began)
        else:
            self._random.choice(workers).kill()
            self.workers += 1


@contextmanager
def reading(machine: Machine, seen: dict[tuple[str, int], float]) -> Iterator[None]:
    """Collect the values of all trials that the API tells of as completed, while others kill."""
    enough = threading.Event()

    def read() -> None:
        with Patient(machine) as client:
            while not enough.wait(0.2):
                for job in client.get("/v1/jobs")["items"]:
                    path = f"/v1/jobs/{job['id']}/trials"
                    page = client.get(path, outcome="completed", descending=True, limit=1000)
                    for trial in page["items"]:
                        seen[job["study"], trial["number"]] = trial["value"]

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def test_kills_cost_no_trial(machine: Machine, tmp_path: Path) -> None:
    print(f"{KILLS} kills, SEED={SEED}")
    machine.environment |= {"FALLLINE_WORKERS": "2", "FALLLINE_JOBS_OF_ONE_OWNER": "2"}
    machine.start()
    killer = Killer(machine, SEED)
    seen: dict[tuple[str, int], float] = {}
    with Patient(machine) as client:
        content = breast_cancer(tmp_path / "table.csv", imperfect=True).read_bytes()
        dataset = client.post(
            "/v1/datasets", "upload", content=content, params={"name": "table", "target": "diagnosis"},
            headers={"Content-Type": "text/csv"},
        )["id"]  # fmt: skip

        def submit(which: int) -> str:
            key = f"{which}-{time.monotonic_ns()}"
            spec = SPECS[which] | {"dataset": dataset}
            found: str = client.post("/v1/jobs", key, json=spec)["id"]
            return found

        undisturbed = [client.ended(submit(which)) for which in range(2)]
        under_way = {which: submit(which) for which in range(2)}
        disturbed: list[tuple[int, Json]] = []
        with reading(machine, seen):
            while killer.workers + len(killer.again) < KILLS:
                killer.kill()
                for which, job in under_way.items():
                    view = client.get(f"/v1/jobs/{job}")
                    if view["state"] not in {"queued", "running"}:
                        disturbed.append((which, view))
                        under_way[which] = submit(which)
            disturbed += [(which, client.ended(job)) for which, job in under_way.items()]
    until(machine.ready)
    _, printed = machine.stop()

    again = sorted(killer.again)
    print(
        f"{len(again)} servers and {killer.workers} workers killed in {len(disturbed)} jobs; "
        "ready again after "
        f"{statistics.median(again):.2f} s (median), {again[-1]:.2f} s (longest)"
    )

    check_file(machine.home / "fallline.db")
    expected = [check(machine.database, view) for view in undisturbed]
    same = ("state", "waves", "best_trial", "best_value", "counts", "warnings", "confirmed")
    final = {}
    for which, view in disturbed:
        found = check(machine.database, view)
        assert found == expected[which], (view["id"], SEED)
        final.update({(view["study"], number): values for number, _, _, values, *_ in found})
        for name in same:
            assert view[name] == undisturbed[which][name], (name, SEED)
    # What the API once told of is there as it was told.
    told = {key: value for key, value in seen.items() if key in final}
    assert told
    assert {key: final[key] for key in told} == {key: [value] for key, value in told.items()}, SEED
    assert "Traceback" not in printed, printed
    assert printed.count("starting it again") == len(killer.again)
    assert statistics.median(again) < AGAIN_SECONDS
    print(
        f"{len(final)} trials, {len(told)} of them told of meanwhile, are those of undisturbed jobs"
    )
