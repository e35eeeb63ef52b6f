"""What users do, step by step, and how the tests wait for what comes of it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import MetaData, func, select

from service.services import Services

Json = dict[str, Any]
Found = TypeVar("Found")

ENDED = {"completed", "failed", "cancelled"}
SMALL: Json = {
    "model": {"hidden": [4]},
    "space": {"optimizers": ["sgd", "adam"], "schedules": ["constant", "cosine"], "batch": [16]},
    "budget": {"trials": 8, "epochs": 2},
    "confirmation": {"seeds": 0},
    "transfer": False,  # jobs of other tests are in the same server
}
# Far more than any test waits for: to be cancelled, or to be interrupted.
ENDLESS: Json = SMALL | {"budget": {"trials": 1000, "epochs": 10_000}}


def until(probe: Callable[[], Found | None], seconds: float = 120.0) -> Found:
    """What a probe finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"nothing came within {seconds:g} s")


def table(rows: int = 60, *, header: str = "size,weight,kind") -> bytes:
    """A small table; its last column has three values that follow from the first."""
    lines = (f"{row % 7}.5,{row * row % 11},{'abc'[row % 7 % 3]}" for row in range(rows))
    return "\n".join([header, *lines, ""]).encode()


def upload(client: httpx.Client, content: bytes | Path, **params: str) -> Json:
    """Upload a CSV file; the dataset."""
    body = content.read_bytes() if isinstance(content, Path) else content
    answer = client.post(
        "/v1/datasets",
        params={"name": "table"} | params,
        content=body,
        headers={"Content-Type": "text/csv"},
    )
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


def submit(client: httpx.Client, dataset: Json, **spec: Any) -> Json:
    """Queue a small job; the job."""
    answer = client.post("/v1/jobs", json=SMALL | {"dataset": dataset["id"]} | spec)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


def job(client: httpx.Client, job_id: str) -> Json:
    """The job as it is now."""
    answer = client.get(f"/v1/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def ended(client: httpx.Client, job_id: str) -> Json:
    """The job, once it has ended."""

    def look() -> Json | None:
        view = job(client, job_id)
        return view if view["state"] in ENDED else None

    return until(look)


def training(client: httpx.Client, job_id: str) -> Json:
    """The job, once trials of it are under way."""

    def look() -> Json | None:
        view = job(client, job_id)
        assert view["state"] not in ENDED, view
        return view if view["counts"]["running"] else None

    return until(look)


def walk(client: httpx.Client, address: str, **params: Any) -> list[Json]:
    """All items of a list, page by page."""
    items: list[Json] = []
    while True:
        answer = client.get(address, params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page.keys() == {"items", "next"}
        items += page["items"]
        if page["next"] is None:
            return items
        assert len(page["items"]) == params.get("limit", 100)
        params["cursor"] = page["next"]


def contents(services: Services) -> dict[str, int | list[str]]:
    """How many rows each table has, and which files there are.

    The audit log is left out, and the summaries of jobs that have ended, which are kept a moment
    after a job says so.
    """
    with services.database.read() as connection:
        metadata = MetaData()
        metadata.reflect(connection)
        rows: dict[str, int | list[str]] = {
            name: connection.execute(select(func.count()).select_from(each)).scalar_one()
            for name, each in metadata.tables.items()
            if name not in {"audit", "summaries"}
        }
    files = [path.name for path in services.settings.blob_folder.iterdir()]
    return rows | {"files": sorted(files)}
