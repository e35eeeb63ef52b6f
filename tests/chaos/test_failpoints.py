"""The server vanishes at every point between two writes, once, and nothing is lost or done twice."""

from pathlib import Path
from typing import Any, get_args

import pytest
from optuna.trial import TrialState

from service.failpoints import VARIABLE, Point
from tests.chaos.invariants import check, check_file
from tests.chaos.patience import Patient
from tests.datasets import breast_cancer
from tests.end_to_end.conftest import Machine
from tests.service.journeys import Json, until
from tests.service.receivers import SECRET, Receiver

pytestmark = pytest.mark.timeout(600)

STARTING: tuple[Point, ...] = ("tables_made", "token_written")
RUNNING: tuple[Point, ...] = (
    "job_queued", "job_requeued", "job_claimed", "attempt_recorded", "transfer_settled",
    "wave_proposed", "wave_half_asked", "wave_asked", "wave_trained", "wave_half_told", "wave_told",
    "confirmation_announced", "finalists_trained", "confirmation_recorded",
    "job_half_finished", "job_finished", "message_sent",
)  # fmt: skip
SPEC: Json = {
    "model": {"hidden": [16]},
    "space": {"batch": [32], "optimizers": ["sgd", "adam", "momentum"]},
    "budget": {"trials": 30, "epochs": 9},
    "rungs": {"rule": "halving"},
    "confirmation": {"seeds": 2},
    "seed": 11,
    "transfer": False,  # the same study twice
}


class Crashes:
    """Where the server is to vanish."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.armed: set[str] = set()

    def arm(self, *points: Point) -> None:
        self.armed.update(points)
        for point in points:
            (self.folder / point).touch()

    def left(self) -> list[str]:
        return [path.name for path in self.folder.iterdir()]


def test_every_point(machine: Machine, tmp_path: Path) -> None:
    crashes = Crashes(tmp_path / "crashes")
    machine.environment[VARIABLE] = str(crashes.folder)
    with Receiver().running() as receiver:
        machine.environment["FALLLINE_WEBHOOK_HOSTS"] = receiver.origin
        machine.environment["FALLLINE_WEBHOOK_SECRET"] = SECRET
        crashes.arm(*STARTING)
        machine.start()
        assert crashes.left() == []
        with Patient(machine) as client:
            dataset = uploaded(client, crashes, breast_cancer(tmp_path / "table.csv"))
            ran(client, crashes, dataset, receiver, machine.database)
        with Patient(machine) as client:
            handed_out(client, crashes)
    assert crashes.armed == set(get_args(Point))
    code, printed = machine.stop()
    assert (code, "Traceback" in printed) == (0, False), printed
    assert printed.count("starting it again") == len(crashes.armed)
    check_file(machine.home / "fallline.db")


def uploaded(client: Patient, crashes: Crashes, file: Path) -> str:
    """A dataset; each time the client had no answer, and asked again with the same key."""

    def upload(content: bytes, key: str) -> Json:
        return client.post(
            "/v1/datasets", key, content=content, params={"name": "table"},
            headers={"Content-Type": "text/csv"},
        )  # fmt: skip

    content = file.read_bytes()
    crashes.arm("bytes_kept")
    kept = upload(content, "first")
    crashes.arm("dataset_described")
    other = upload(content[: content.rindex(b"\n", 0, -1) + 1], "second")  # without the last row
    assert crashes.left() == []
    assert client.unanswered >= 2
    listed = client.get("/v1/datasets")["items"]
    assert [each["id"] for each in listed] == [other["id"], kept["id"]]
    crashes.arm("dataset_forgotten")
    address = f"/v1/datasets/{other['id']}"
    # The second request finds that the first has done it.
    assert client.send("DELETE", address).status_code == 404
    assert crashes.left() == []
    found: str = kept["id"]
    assert [each["id"] for each in client.get("/v1/datasets")["items"]] == [found]
    return found


def ran(client: Patient, crashes: Crashes, dataset: str, receiver: Receiver, database: str) -> None:
    """The same job twice: undisturbed, and through every point of its way."""
    spec = SPEC | {"dataset": dataset, "webhook": {"url": receiver.origin}}
    undisturbed = client.ended(client.post("/v1/jobs", "undisturbed", json=spec)["id"])
    assert undisturbed["state"] == "completed"
    expected = check(database, undisturbed)
    assert {state for _, state, *_ in expected} >= {TrialState.COMPLETE, TrialState.PRUNED}

    crashes.arm(*RUNNING)
    job = client.post("/v1/jobs", "disturbed", json=spec)
    disturbed = client.ended(job["id"])
    until(lambda: crashes.left() == [])
    assert disturbed["state"] == "completed"
    assert check(database, disturbed) == expected
    same = ("waves", "best_trial", "best_value", "counts", "warnings", "confirmed")
    assert {name: disturbed[name] for name in same} == {name: undisturbed[name] for name in same}
    reports = [client.get(f"/v1/jobs/{each['id']}/report") for each in (undisturbed, disturbed)]
    assert reports[0]["confirmation"] == reports[1]["confirmation"]
    assert reports[0]["verdict"] == reports[1]["verdict"]
    assert len(client.get("/v1/jobs")["items"]) == 2  # the first submission's answer was lost

    def told() -> list[Any]:
        completed = [each for each in receiver.messages if each["type"] == "job.completed"]
        return [each["id"] for each in completed if each["data"]["job"] == job["id"]]

    until(told)
    assert len(set(told())) == 1  # perhaps more than once, as the same message

    crashes.arm("job_deleted")
    assert client.send("DELETE", f"/v1/jobs/{job['id']}").status_code == 404
    assert crashes.left() == []
    assert [each["id"] for each in client.get("/v1/jobs")["items"]] == [undisturbed["id"]]


def handed_out(client: Patient, crashes: Crashes) -> None:
    """An external trainer whose server vanishes under it is given the same trial again."""
    spec = {"mode": "external", "metric": {"name": "loss", "direction": "minimize"},
            "budget": {"trials": 2, "epochs": 1}}  # fmt: skip
    job = client.post("/v1/jobs", "external", json=spec)
    address = f"/v1/jobs/{job['id']}/ask"
    crashes.arm("trial_handed_out")
    (trial,) = client.post(address, "ask", json={})["trials"]
    crashes.arm("trial_taken_back")
    end = {"lease": trial["lease"], "value": 0.5}
    told = client.post(f"/v1/jobs/{job['id']}/trials/{trial['number']}/tell", "tell", json=end)
    assert (told["number"], told["value"], crashes.left()) == (0, 0.5, [])
    view = client.get(f"/v1/jobs/{job['id']}")
    assert (view["counts"]["completed"], view["counts"]["running"]) == (1, 0)
    (trial,) = client.post(address, "ask-again", json={})["trials"]
    assert trial["number"] == 1
