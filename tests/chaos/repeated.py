"""A study that is run again and again, and must come to the same whatever happens to it."""

from pathlib import Path

from tests.chaos.invariants import check
from tests.chaos.patience import Patient
from tests.datasets import breast_cancer
from tests.end_to_end.conftest import Machine
from tests.service.journeys import Json, until


class Repeated:
    """One study of one table.

    Args:
        machine: whose server is there.
        client: to that server.
        file: for the table.
        trials: of the study.
        epochs: of each trial.
    """

    def __init__(
        self, machine: Machine, client: Patient, file: Path, *, trials: int, epochs: int
    ) -> None:
        self._machine, self._client = machine, client
        self._spec: Json = {
            "dataset": client.post(
                "/v1/datasets", "upload", content=breast_cancer(file).read_bytes(),
                headers={"Content-Type": "text/csv"}, params={"name": "table"},
            )["id"],
            "model": {"hidden": [16]},
            "space": {"batch": [32], "optimizers": ["sgd", "adam", "momentum"]},
            "budget": {"trials": trials, "epochs": epochs},
            "confirmation": {"seeds": 2},
            "seed": 11,
            "transfer": False,
        }  # fmt: skip
        self._undisturbed = client.ended(self.begin("undisturbed"))
        self._expected = self._checked(self._undisturbed)

    def begin(self, key: str) -> str:
        """Run it once more; the job."""
        job: str = self._client.post("/v1/jobs", key, json=self._spec)["id"]
        return job

    def begun(self, key: str) -> str:
        """Run it once more; the job, when its first wave is stored."""
        job = self.begin(key)
        until(lambda: self._client.get(f"/v1/jobs/{job}")["waves"] >= 1)
        return job

    def came_to_the_same(self, job: str) -> None:
        """Wait for a job's end and see that nothing tells it from the undisturbed one."""
        ended = self._client.ended(job)
        assert self._checked(ended) == self._expected
        assert ended["waves"] == self._undisturbed["waves"]

    def _checked(self, ended: Json) -> object:
        assert ended["state"] == "completed", ended
        return check(self._machine.database, ended)
