"""`fallline serve`: the server in a process of its own, which is started again when it dies.

It is forked from a process that has imported everything, so it answers again within a second or
two; its workers are this process's, and end with the server that they were hired for.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from rich.console import Console

from service.errors import StartupError
from service.processes import CONTEXT, READING, give_memory_back, make_ready
from service.settings import Settings
from service.workers import Membership, Workers, end_with_parent

STILLBORN = 3  # servers in a row that died before they could work: the next would, too
INTERRUPTED = 130  # the exit code of whoever was told to stop before it had begun


def supervise(settings: Settings, console: Console) -> int:
    """Keep a server running until it is told to stop.

    Args:
        settings: of the server.
        console: for what this process has to say.

    Returns:
        The server's exit code.

    Raises:
        StartupError: the server cannot start, or dies whenever it does.
    """
    make_ready()
    told_to_stop = False
    process: Any = None

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal told_to_stop
        told_to_stop = True
        if process is not None:
            process.terminate()

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        stillborn = 0
        while stillborn < STILLBORN:
            ours, theirs = CONTEXT.Pipe()
            process = CONTEXT.Process(target=_serve, args=(settings, theirs), name="server")
            process.start()
            theirs.close()
            worked = _host_workers(ours)
            process.join()
            code = int(process.exitcode)
            if told_to_stop or code == 0:
                return max(code, 0)
            stillborn = 0 if worked else stillborn + 1
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            console.print(f"[red]The server died ({how}); starting it again[/]", highlight=False)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    raise StartupError(f"The server died {STILLBORN} times before it could work ({how}).")


def _host_workers(server: Connection) -> bool:
    """Start and end workers as the server says, until it ends; whether it hired any.

    Raises:
        StartupError: the server cannot start, as it says.
    """
    hired = False
    with ExitStack() as workers:
        while True:
            try:
                said = server.recv()
            except EOFError:
                return hired
            if isinstance(said, StartupError):
                raise said
            if said is None:
                workers.close()
            else:
                workers.enter_context(Workers(*said))
                hired = True
            server.send(None)


def _serve(settings: Settings, supervisor: Connection) -> None:
    """What the server's process does."""
    from service.serving import serve  # noqa: PLC0415 - torch: the supervisor does without

    end_with_parent()
    give_memory_back()
    os.setpgrp()  # Ctrl-C is the supervisor's to hear and to pass on
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    @contextmanager
    def hire(number: int, membership: Membership) -> Iterator[None]:
        _ask(supervisor, (number, membership))
        make_ready(READING)  # a forked process cannot use what it was forked from; workers go first
        try:
            yield
        finally:
            _ask(supervisor, None)

    try:
        serve(settings, Console(), hire)
    except StartupError as error:
        supervisor.send(error)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _ask(supervisor: Connection, what: tuple[int, Membership] | None) -> None:
    supervisor.send(what)
    supervisor.recv()
