"""What uploads cost: seconds and memory of hostile files, and of a large table.

A server of its own; memory is that of the server, its readers and workers together, sampled every
few milliseconds, above what it was before the upload.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import psutil
from rich.console import Console
from rich.table import Table

from service.client import UPLOAD_SECONDS
from tests.end_to_end.conftest import Machine
from tests.service.ingest.hostile import corpus

SAMPLED_SECONDS = 0.005


def held(server: psutil.Process) -> int:
    """Bytes that the server and all below it hold."""
    total = 0
    for process in (server, *server.children(recursive=True)):
        try:
            # what a fork shares with its parent is counted once, with the parent
            total += process.memory_full_info().uss
        except psutil.NoSuchProcess:  # a reader that has ended
            continue
    return total


@contextmanager
def growth_of(server: psutil.Process) -> Iterator[list[int]]:
    """Samples of what is held above what was held before."""
    before, growth, over = held(server), [0], threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLED_SECONDS):
            growth.append(held(server) - before)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield growth
    finally:
        over.set()
        thread.join()


def large(path: Path, rows: int) -> None:
    """A table of 20 columns, some 200 bytes a row."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{i}": rng.normal(size=rows).round(8) for i in range(18)})
    frame["kind"] = rng.choice(["first", "second", "third"], rows)
    frame["target"] = rng.integers(0, 10, rows)
    frame.to_csv(path, index=False)


def main(rows: int = 1_000_000) -> None:
    """Upload everything; print a line each."""
    shown = Table()
    for column in ("file", "MB", "answer", "seconds", "MB held more"):
        shown.add_column(column, justify="left" if column == "file" else "right")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        large(folder / "large.csv", rows)
        files = corpus(folder / "canary")
        files["large table"] = ("text/csv", (folder / "large.csv").read_bytes())
        machine = Machine(folder / "home", workers=2)
        machine.start()
        assert machine.server is not None
        server = psutil.Process(machine.server.pid)
        token = (folder / "home" / "token").read_text()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=machine.url, headers=headers, timeout=UPLOAD_SECONDS) as client:
            for name, (kind, content) in files.items():
                with growth_of(server) as growth:
                    began = time.perf_counter()
                    answer = client.post(
                        "/v1/datasets",
                        params={"name": "upload"},
                        content=content,
                        headers={"Content-Type": kind},
                    )
                    seconds = time.perf_counter() - began
                shown.add_row(
                    name, f"{len(content) / 1e6:.1f}", str(answer.status_code),
                    f"{seconds:.2f}", f"{max(growth) / 1e6:.0f}",
                )  # fmt: skip
        machine.stop()
    Console().print(shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    main(**vars(parser.parse_args()))
