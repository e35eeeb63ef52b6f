"""The client's side of an external job: trials to train, one after another, until the job has ended.

Any number of programs, on any machines, may go through the same job at once.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]
Post = Callable[[str, Json], Json]
"""``post(address, body)`` sends a request and returns its answer."""

WAIT_SECONDS = 1.0  # before asking again whether a trial of somebody else has come back


class Trial:
    """A trial to train.

    Attributes:
        number: of the trial in its job.
        config: what to train: optimizer, schedule and batch with all hyperparameters.
        seed: to train from; the same for all trials of the job.
        epochs: to its end.
        rungs: the epochs after which to report at least.
    """

    def __init__(self, post: Post, job: str, asked: Json) -> None:
        self.number: int = asked["number"]
        self.config: Json = asked["config"]
        self.seed: int = asked["seed"]
        self.epochs: int = asked["epochs"]
        self.rungs: list[int] = asked["rungs"]
        self._post, self._lease = post, asked["lease"]
        self._address = f"/v1/jobs/{job}/trials/{self.number}"
        self._advised = False

    def report(self, epoch: int, value: float) -> bool:
        """Say how the trial is doing, which also keeps it yours.

        Args:
            epoch: after which the value was measured, counted from 1.
            value: of the job's metric.

        Returns:
            Whether to stop: others did better by then, or the value is no finite number.

        Raises:
            FalllineError: the trial is no longer yours.
        """
        if not math.isfinite(value):
            return True
        body = {"lease": self._lease, "epoch": epoch, "value": value}
        self._advised = bool(self._post(f"{self._address}/report", body)["stop"])
        return self._advised

    def tell(self, value: float, metrics: Mapping[str, float] | None = None) -> Json:
        """Say how the trial ended.

        It counts as dropped if its last report was answered by the advice to stop, and as
        diverged if the value is no finite number.

        Args:
            value: of the job's metric.
            metrics: whatever else was measured.

        Raises:
            FalllineError: the trial is no longer yours.
        """
        end: Json = {"metrics": dict(metrics or {})}
        if not math.isfinite(value):
            end["outcome"] = "diverged"
        elif self._advised:
            end["outcome"] = "dropped"
        else:
            end["value"] = value
        return self._post(f"{self._address}/tell", {"lease": self._lease} | end)

    def give_up(self, reason: str) -> Json:
        """Say that the trial cannot be trained, and why.

        Raises:
            FalllineError: the trial is no longer yours.
        """
        end = {"lease": self._lease, "outcome": "stopped", "reason": reason}
        return self._post(f"{self._address}/tell", end)


class ExternalJob:
    """A job whose trials you train; go through it to be given them one after another.

    Args:
        post: sends requests.
        job: its id.
        lease_seconds: how long a trial may go without a report before somebody else is given it.

    Attributes:
        id: of the job.
    """

    def __init__(self, post: Post, job: str, lease_seconds: int = 600) -> None:
        self.id = job
        self._post, self._lease_seconds = post, lease_seconds

    def ask(self, count: int = 1) -> list[Trial]:
        """So many trials, or fewer where there are no more now."""
        return self._ask(count)[1]

    def __iter__(self) -> Iterator[Trial]:
        """Trials until the job has ended; while it rests, or others train its last, it waits."""
        while True:
            state, trials = self._ask(1)
            yield from trials
            if state not in {"running", "paused"}:
                return
            if not trials:
                time.sleep(WAIT_SECONDS)

    def _ask(self, count: int) -> tuple[str, list[Trial]]:
        body = {"count": count, "lease_seconds": self._lease_seconds}
        answer = self._post(f"/v1/jobs/{self.id}/ask", body)
        return answer["state"], [Trial(self._post, self.id, each) for each in answer["trials"]]
