"""How fast the API answers many clients while a job trains: pollers and event streams on a real server.

Every poller asks for the job twice a second, and now and then for what a page would show: the best,
a page of trials, the list of jobs. Every stream follows the job's events from the first.
"""

import argparse
import asyncio
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, TCPConnector
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits

from service.client import Client, FalllineError

TOKEN = "benchmark-0123456789"
SPEC = {"budget": {"trials": 100_000, "epochs": 20}, "transfer": False}
PAUSE_SECONDS = 0.5
ADDRESSES = {  # by what it is, with how often of a hundred
    "the job": ("/v1/jobs/{}", 70),
    "20 trials": ("/v1/jobs/{}/trials?limit=20", 15),
    "jobs": ("/v1/jobs?limit=20", 5),
    "best": ("/v1/jobs/{}/best", 10),
}


async def poll(client: ClientSession, job: str, ends: float, taken: dict[str, list[float]]) -> int:
    """Ask until the end; how many answers were errors."""
    wrong = 0
    names, weights = list(ADDRESSES), [weight for _, weight in ADDRESSES.values()]
    await asyncio.sleep(random.random() * PAUSE_SECONDS)
    while time.monotonic() < ends:
        (name,) = random.choices(names, weights)
        began = time.perf_counter()
        async with client.get(ADDRESSES[name][0].format(job)) as answer:
            await answer.read()
            wrong += answer.status != 200
        taken[name].append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE_SECONDS)
    return wrong


async def follow(client: ClientSession, job: str, ends: float) -> int:
    """Read events until the end; how many came."""
    seen = 0
    try:
        async with asyncio.timeout(max(0.0, ends - time.monotonic())):
            async with client.get(f"/v1/jobs/{job}/events") as answer:
                async for line in answer.content:
                    seen += line.startswith(b"event:")
    except TimeoutError:
        return seen
    raise RuntimeError("a stream ended before its job")


async def load(address: str, job: str, pollers: int, streams: int, seconds: float) -> None:
    """Load the server, and print what came of it."""
    taken: dict[str, list[float]] = defaultdict(list)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    # Light, as it takes its share of the same cores: its parser is in C.
    async with ClientSession(
        address, headers=headers, connector=TCPConnector(limit=0), timeout=ClientTimeout(total=None)
    ) as client:
        ends = time.monotonic() + seconds
        wrong, events = await asyncio.gather(
            asyncio.gather(*(poll(client, job, ends, taken) for _ in range(pollers))),
            asyncio.gather(*(follow(client, job, ends) for _ in range(streams))),
        )
    shown = Table(title=f"{pollers} pollers and {streams} event streams for {seconds:g} s")
    for column in ("answer", "requests", "median ms", "p99 ms", "slowest ms"):
        shown.add_column(column, justify="left" if column == "answer" else "right")
    for name, times in [*taken.items(), ("all", [each for of in taken.values() for each in of])]:
        ordered = sorted(times)
        p99 = ordered[int(0.99 * (len(ordered) - 1))]
        cells = [statistics.median(ordered), p99, ordered[-1]]
        shown.add_row(name, str(len(times)), *(f"{1000 * each:.0f}" for each in cells))
    console = Console()
    console.print(shown)
    console.print(f"{sum(wrong)} errors; {min(events)} to {max(events)} events a stream")


def main(pollers: int = 50, streams: int = 20, seconds: float = 60.0) -> None:
    """Start a server, let it train, load it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        environment = os.environ | {
            "FALLLINE_HOME": folder, "FALLLINE_PORT": str(port), "FALLLINE_TOKEN": TOKEN
        }  # fmt: skip
        with subprocess.Popen(
            [sys.executable, "-m", "service", "serve"], env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            try:
                with Client(address, TOKEN) as client:
                    file = home / "digits.csv"
                    load_digits(as_frame=True).frame.to_csv(file, index=False)
                    _await_start(client)
                    job = client.submit(client.upload(file, target="target")["id"], **SPEC)["id"]
                    while client.job(job)["counts"]["completed"] < 20:
                        time.sleep(0.5)
                    asyncio.run(load(address, job, pollers, streams, seconds))
                    Console().print(f"{client.job(job)['counts']['completed']} trials completed")
            finally:
                process.terminate()


def _await_start(client: Client) -> None:
    deadline = time.monotonic() + 60.0
    while True:
        try:
            list(client.jobs())
        except FalllineError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pollers", type=int, default=50)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    main(**vars(parser.parse_args()))
