"""Where our other processes come from: a fork of one that has imported all that they need.

A fork takes milliseconds where a fresh process imports for seconds, and shares its memory. It is safe
because the one it is made from does nothing but import: it has no threads of ours and no locks.
"""

import ctypes
import multiprocessing
import os
import sys
import threading
from collections.abc import Sequence
from multiprocessing import forkserver

WORKER_ENVIRONMENT = {
    # One process a core, one thread each: stacks are small enough that threads only cost.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # glibc would map and unmap large blocks at every step, which is up to 10 times slower.
    # These are the largest values it takes; a larger one is ignored without a word.
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(2**26),
}

if sys.platform == "win32":
    CONTEXT = multiprocessing.get_context("spawn")
else:
    CONTEXT = multiprocessing.get_context("forkserver")
READING = [
    "service.cli",  # the main module, which every process imports
    "service.ingest.apart",
    "pandas",  # which Arrow imports when it needs it
    "PIL.PngImagePlugin",
    "PIL.JpegImagePlugin",
]
"""What readers of uploads need."""

ALL = [*READING, "service.serving", "service.supervisor"]
"""What servers and workers need besides."""

SERVER_MEMORY = {-1: 2**24, -2: 2**17, -3: 2**20, -8: 2}
"""What a server asks of glibc (`mallopt`): to give back what is free above 16 MiB, to take no more in advance
than it does by itself, to map blocks from 1 MiB on, and to have two heaps, not one for each thread."""

_CHANGING = threading.Lock()  # the environment, which all threads share


def make_ready(imported: Sequence[str] = ALL) -> None:
    """Start what they are forked from, unless it runs; it imports while its starter goes on.

    Args:
        imported: the modules.
    """
    if CONTEXT.get_start_method() == "spawn":
        return
    with _CHANGING:
        before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
        # Read by glibc as a process starts, so a fork cannot ask for it.
        os.environ.update(WORKER_ENVIRONMENT)
        try:
            CONTEXT.set_forkserver_preload(list(imported))
            forkserver.ensure_running()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def give_memory_back() -> None:
    """Let this process return what is free; what it was forked from keeps it, as is best for workers."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for parameter, value in SERVER_MEMORY.items():
            libc.mallopt(parameter, value)
