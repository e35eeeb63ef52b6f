"""In place of SLURM: `sbatch` and `scancel` that know as much of it as the guide's scripts use.

A job is a process group of this machine; its script is copied first, as SLURM does, so that it cannot
know where it came from.
"""

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_SECONDS = 20.0  # SLURM's KillWait has 30


class Submission(argparse.ArgumentParser):
    """The options of sbatch, on its command line and in scripts; no others, and none abbreviated."""

    def __init__(self) -> None:
        super().__init__("sbatch", allow_abbrev=False)
        for names in (
            ("-J", "--job-name"), ("-w", "--nodelist"), ("-p", "--partition"), ("-A", "--account"),
            ("-e", "--error"), ("-t", "--time"), ("--mem",), ("--mem-per-cpu",),
        ):  # fmt: skip
            self.add_argument(*names)
        self.add_argument("-a", "--array", type=indices, default=[None])
        self.add_argument("-n", "--ntasks", type=int, default=1)
        self.add_argument("-c", "--cpus-per-task", type=int, default=1)
        self.add_argument("-o", "--output", default="slurm-%j.out")
        self.add_argument("--requeue", action="store_true")


def indices(text: str) -> list[int | None]:
    """The elements of an array such as 1-8."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def directives(script: str) -> list[str]:
    """The options in a script: those before its first command."""
    words: list[str] = []
    for line in script.splitlines():
        if line.startswith("#SBATCH "):
            words += shlex.split(line.removeprefix("#SBATCH "))
        elif line.strip() and not line.startswith("#"):
            break
    return words


def submit(folder: Path, *arguments: str) -> None:
    """Start a job, or all elements of an array."""
    *given, path = arguments
    text = Path(path).read_text(encoding="utf-8")
    assert text.startswith("#!"), "This does not look like a batch script."
    options = Submission().parse_args([*directives(text), *given])
    job = 1 + sum(1 for _ in folder.glob("*.job"))
    spooled = folder / f"{job}.job"
    spooled.write_text(text, encoding="utf-8")
    spooled.chmod(0o700)
    pids = []
    for number, index in enumerate(options.array):
        fields = {
            "%x": options.job_name or path, "%A": str(job), "%a": str(index),
            "%j": str(job + number), "%J": str(job + number),
        }  # fmt: skip
        output = options.output
        for pattern, value in fields.items():
            output = output.replace(pattern, value)
        environment = os.environ | {
            "SLURM_JOB_ID": str(job + number),
            "SLURM_CPUS_PER_TASK": str(options.cpus_per_task),
        }
        if index is not None:
            environment |= {"SLURM_ARRAY_JOB_ID": str(job), "SLURM_ARRAY_TASK_ID": str(index)}
        with Path(output).open("ab") as log:
            process = subprocess.Popen(
                [spooled], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                start_new_session=True,
            )  # fmt: skip
        pids.append(process.pid)
    (folder / f"{job}.pids").write_text(" ".join(map(str, pids)))
    print("Submitted batch job", job)


def cancel(folder: Path, job: str) -> None:
    """End a job with all that it started."""
    groups = [int(pid) for pid in (folder / f"{job}.pids").read_text().split()]
    _signal(groups, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while _signal(groups, 0) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(groups, signal.SIGKILL)


def _signal(groups: list[int], number: int) -> bool:
    """Send a signal to process groups; whether there was any of them."""
    there = False
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)
            there = True
    return there


def install(folder: Path, jobs: Path) -> None:
    """Put the commands into a folder, for a `PATH`.

    Args:
        folder: for the commands.
        jobs: where they keep what they know.
    """
    folder.mkdir()
    jobs.mkdir()
    for name in ("sbatch", "scancel"):
        words = shlex.join([sys.executable, __file__, name, str(jobs)])
        (folder / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        (folder / name).chmod(0o700)


if __name__ == "__main__":
    _program, called, jobs, *words = sys.argv
    if called == "sbatch":
        submit(Path(jobs), *words)
    else:
        cancel(Path(jobs), *words)
