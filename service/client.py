"""A typed client of the REST API, for Python programs and the command line.

It knows HTTP and JSON alone: no torch, no database.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeVar

import httpx
from httpx_sse import ServerSentEvent, connect_sse

from service.external_loop import ExternalJob

UPLOAD_SECONDS = 600.0  # a large upload is read and checked before it is answered
REPLAY_SECONDS = 3600.0  # a replay waits for the waves under way
POLL_SECONDS = 0.5
RECONNECT_SECONDS = 30.0  # without a word from the server, and following a job is given up

MEDIA_TYPES = {
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/vnd.apache.parquet",
    ".npz": "application/x-npz",
    ".zip": "application/zip",
}
"""What files are, by the ends of their names; any other is sent as CSV."""

Json = dict[str, Any]
Found = TypeVar("Found")


class _Export(NamedTuple):
    """Where a job gives a file, and what the file is called unless told otherwise."""

    address: str
    params: dict[str, str]
    name: str


Form = Literal["csv", "parquet", "yaml", "python", "torch", "safetensors", "onnx", "html"]

EXPORTS: dict[Form, _Export] = {
    "csv": _Export("trials.csv", {}, "trials.csv"),
    "parquet": _Export("trials.parquet", {}, "trials.parquet"),
    "yaml": _Export("best", {"format": "yaml"}, "best.yaml"),
    "python": _Export("best", {"format": "python"}, "best.py"),
    "torch": _Export("best", {"format": "torch"}, "best_optimizer.py"),
    "safetensors": _Export("model", {"format": "safetensors"}, "model-safetensors.zip"),
    "onnx": _Export("model", {"format": "onnx"}, "model-onnx.zip"),
    "html": _Export("report.html", {}, "report.html"),
}
"""What a job has found, as files."""


class FalllineError(Exception):
    """The server refused a request, or there is no server.

    Attributes:
        problem: the server's problem+json; empty if there was none.
    """

    def __init__(self, message: str, problem: Json | None = None) -> None:
        super().__init__(message)
        self.problem = problem or {}


class Client:
    """One server and a token for it.

    Args:
        url: address of the server, e.g. ``http://127.0.0.1:8642``.
        token: as printed at the server's first start.
    """

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30.0
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._http.close()

    def upload(
        self,
        path: Path,
        *,
        name: str | None = None,
        target: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        decimal: str | None = None,
    ) -> Json:
        """Upload a table or pictures; the answer says what was recognised.

        Args:
            path: a .csv, .tsv, .parquet or .npz file, or a .zip of pictures.
            name: a label; left out, that of the file.
            target: the column to predict.
            encoding: of a text file; found out if left out, as is what follows.
            delimiter: between its values.
            decimal: before its decimals.
        """
        given = {
            "name": name or path.stem,
            "target": target or None,
            "encoding": encoding,
            "delimiter": delimiter,
            "decimal": decimal,
        }
        params = {field: value for field, value in given.items() if value is not None}
        with path.open("rb") as file:
            return self._call(
                "POST",
                "/v1/datasets",
                params=params,
                content=file,
                headers={
                    "Content-Type": MEDIA_TYPES.get(path.suffix.lower(), "text/csv"),
                    # Told beforehand, so that a file that is too large is refused at once.
                    "Content-Length": str(path.stat().st_size),
                },
                timeout=UPLOAD_SECONDS,
            )

    def datasets(self) -> Iterator[Json]:
        """Your datasets, newest first."""
        return self._every("/v1/datasets")

    def delete_dataset(self, dataset: str) -> None:
        """Delete a dataset that no job uses."""
        self._send("DELETE", f"/v1/datasets/{dataset}")

    def submit(self, dataset: str, **spec: Any) -> Json:
        """Queue a job; the fields of ``spec`` are those of the JobSpec."""
        return self._call("POST", "/v1/jobs", json={"dataset": dataset, **spec})

    def external(self, **spec: Any) -> ExternalJob:
        """Begin a job whose trials you train; the fields of ``spec`` are those of the ExternalJobSpec."""
        job = self._call("POST", "/v1/jobs", json={"mode": "external", **spec})
        return self.join(job["id"])

    def join(self, job: str, lease_seconds: int = 600) -> ExternalJob:
        """Take part in such a job that has begun already.

        Args:
            job: its id.
            lease_seconds: how long a trial may go without a report before somebody else is given it.
        """
        return ExternalJob(self._post, job, lease_seconds)

    def job(self, job: str) -> Json:
        """One job."""
        return self._call("GET", f"/v1/jobs/{job}")

    def estimate(self, dataset: str, seconds: float = REPLAY_SECONDS, **spec: Any) -> Json:
        """What such a job would cost; nothing is queued.

        Args:
            dataset: its id.
            seconds: to wait while the workers are busy.
            **spec: the fields of the JobSpec.
        """
        content = {"dataset": dataset, **spec}
        return _patiently(lambda: self._call("POST", "/v1/jobs:estimate", json=content), seconds)

    def clone(self, job: str, **changes: Any) -> Json:
        """Queue a job like another; ``changes`` are fields of the JobSpec, None for left out."""
        return self._call("POST", f"/v1/jobs/{job}/clone", json=changes)

    def jobs(self, **wanted: Any) -> Iterator[Json]:
        """Your jobs, newest first.

        Args:
            **wanted: ``state`` (one or several), ``dataset``, ``name`` (part of it), ``since`` and
                ``before`` (times with their zone, as ISO 8601).
        """
        return self._every("/v1/jobs", **wanted)

    def cancel(self, job: str) -> Json:
        """End a job now."""
        return self._call("POST", f"/v1/jobs/{job}/cancel")

    def pause(self, job: str) -> Json:
        """Let a job rest."""
        return self._call("POST", f"/v1/jobs/{job}/pause")

    def resume(self, job: str) -> Json:
        """Queue a paused job again."""
        return self._call("POST", f"/v1/jobs/{job}/resume")

    def delete_job(self, job: str) -> None:
        """Delete a job that has ended or rests, with all its trials."""
        self._send("DELETE", f"/v1/jobs/{job}")

    def change(self, job: str, **budget: Any) -> Json:
        """Give a job another budget; one that has ended goes on."""
        return self._call("PATCH", f"/v1/jobs/{job}", json={"budget": budget})

    def best(self, job: str) -> Json:
        """The best configuration, and the best of every optimizer."""
        return self._call("GET", f"/v1/jobs/{job}/best")

    def best_script(self, job: str) -> str:
        """The best configuration as a Python file that needs torch and scikit-learn alone."""
        return self._send("GET", f"/v1/jobs/{job}/best", params={"format": "python"}).text

    def report(self, job: str) -> Json:
        """Everything the trials say."""
        return self._call("GET", f"/v1/jobs/{job}/report")

    def manifest(self, job: str) -> Json:
        """Everything that decided the job's numbers."""
        return self._call("GET", f"/v1/jobs/{job}/manifest")

    def replay(self, job: str, number: int, seconds: float = REPLAY_SECONDS) -> Json:
        """Train a completed or dropped trial again; the answer says whether it is the same.

        Args:
            job: its id.
            number: the trial's.
            seconds: to wait while the workers are busy.
        """
        address = f"/v1/jobs/{job}/trials/{number}/replay"
        return _patiently(lambda: self._call("POST", address), seconds)

    def export(
        self, job: str, form: Form, path: Path | None = None, seconds: float = REPLAY_SECONDS
    ) -> Path:
        """Save what a job has found in a file, and return where it is.

        Args:
            job: its id.
            form: of the file.
            path: where to; a file that is there is replaced. Left out, a name that fits.
            seconds: to wait while the workers are busy.

        Raises:
            OSError: the file cannot be written.
        """
        address, params, name = EXPORTS[form]
        path = path or Path(name)
        part = path.with_name(f"{path.name}.part")  # so that no file is ever half of it
        try:
            _patiently(
                lambda: self._save(part, f"/v1/jobs/{job}/{address}", params=params), seconds
            )
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def optimizers(self) -> Iterator[Json]:
        """Every optimizer that can be searched."""
        return self._every("/v1/optimizers")

    def tokens(self) -> Iterator[Json]:
        """Your tokens, newest first; none of them in full."""
        return self._every("/v1/tokens")

    def make_token(self, name: str, **request: Any) -> Json:
        """Make a token; the answer holds it in full, this once."""
        return self._call("POST", "/v1/tokens", json={"name": name, **request})

    def revoke_token(self, token: str) -> Json:
        """End a token, named by its id."""
        return self._call("DELETE", f"/v1/tokens/{token}")

    def events(self, job: str) -> Iterator[tuple[str, Json]]:
        """What happens to a job, until it has ended or rests.

        Connections that are lost are made again, and nothing is told twice.

        Yields:
            ``"trial"`` with a trial that has ended, or ``"job"`` with the job as it is now.

        Raises:
            FalllineError: the server refuses, or has not been there for half a minute.
        """
        after, heard = "", time.monotonic()
        while True:
            try:
                for event in self._stream(job, after):
                    heard = time.monotonic()
                    found: Json = event.json()
                    after = event.id or after
                    yield event.event, found
                    if event.event == "job" and found["state"] not in {"queued", "running"}:
                        return
                heard = time.monotonic()  # the server ends long streams
            except httpx.TransportError as error:
                if time.monotonic() - heard > RECONNECT_SECONDS:
                    raise self._nobody(error) from error
            time.sleep(POLL_SECONDS)

    def watch(self, job: str) -> Iterator[Json]:
        """The job, whenever it has changed, until it has ended or rests."""
        for kind, found in self.events(job):
            if kind == "job":
                yield found

    def healthy(self) -> bool:
        """Whether the server answers."""
        try:
            return self._http.get("/healthz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _every(self, path: str, **wanted: Any) -> Iterator[Json]:
        """All items of a list, page by page."""
        cursor: str | None = None
        given = {name: value for name, value in wanted.items() if value is not None}
        while True:
            params = given | ({"cursor": cursor} if cursor else {})
            page = self._call("GET", path, params=params)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def _post(self, path: str, content: Json) -> Json:
        return self._call("POST", path, json=content)

    def _call(self, method: str, path: str, **request: Any) -> Json:
        found: Json = self._send(method, path, **request).json()
        return found

    def _save(self, path: Path, address: str, **request: Any) -> None:
        """Write an answer to a file as it comes."""
        begun = False
        try:
            with self._http.stream("GET", address, **request) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                begun = True
                with path.open("wb") as file:
                    file.writelines(answer.iter_bytes())
        except httpx.TransportError as error:
            if begun:
                raise FalllineError(f"The answer broke off before its end ({error}).") from error
            raise self._nobody(error) from error

    def _stream(self, job: str, after: str) -> Iterator[ServerSentEvent]:
        """One connection to a job's events."""
        headers = {"Last-Event-ID": after} if after else {}
        path = f"/v1/jobs/{job}/events"
        with connect_sse(self._http, "GET", path, headers=headers) as source:
            if not source.response.is_success:
                source.response.read()
                raise _refusal(source.response)
            # An event without data is none: after one with an id, httpx-sse makes one of each comment,
            # such as those by which the server keeps the connection alive.
            yield from (event for event in source.iter_sse() if event.data)

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise self._nobody(error) from error
        if not answer.is_success:
            raise _refusal(answer)
        return answer

    def _nobody(self, error: httpx.TransportError) -> FalllineError:
        return FalllineError(
            f"No server answers at {self._http.base_url} ({error}). "
            "Start one with `fallline serve`."
        )


def _refusal(answer: httpx.Response) -> FalllineError:
    problem: Json = {}
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        problem = answer.json()
    return FalllineError(problem.get("detail", f"HTTP {answer.status_code}"), problem)


def _patiently(ask: Callable[[], Found], seconds: float) -> Found:
    """What the server answers once its workers are free."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except FalllineError as error:
            busy = error.problem.get("status") == httpx.codes.SERVICE_UNAVAILABLE
            if not busy or time.monotonic() >= deadline:
                raise
        time.sleep(POLL_SECONDS)
