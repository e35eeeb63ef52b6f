"""Whether this machine, this home and this server are as they should be; nothing is changed."""

import os
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import httpx

from service.settings import Settings
from service.sqlite_driver import driver, is_mended

GIBIBYTE = 1024**3
FREE_BYTES = 1 * GIBIBYTE
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph"})


class Check(NamedTuple):
    """One thing that was looked at.

    Attributes:
        about: what it was.
        state: how it is.
        found: what was seen.
        advice: what to do; empty where nothing is to be done.
    """

    about: str
    state: Literal["ok", "warning", "failed"]
    found: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Check]:
    """Look at everything, one check after the other."""
    path = settings.database_path
    database = [_postgresql] if path is None else _checks_of_file(path)
    checks: tuple[Callable[[Settings], Check], ...] = (
        _versions,
        _home,
        _free_space,
        *database,
        _token,
        _workers,
        _server,
    )
    for check in checks:
        yield check(settings)


def _versions(_settings: Settings) -> Check:
    parts = [f"Python {sys.version.split()[0]}"]
    parts += [f"{name} {version(name)}" for name in ("fallline", "torch", "optuna", "fastapi")]
    return Check("versions", "ok", ", ".join(parts))


def _checks_of_file(path: Path) -> list[Callable[[Settings], Check]]:
    return [_sqlite, lambda _: _file_system(path), lambda _: _database(path)]


def _sqlite(_settings: Settings) -> Check:
    if is_mended(driver.sqlite_version_info):
        return Check("SQLite", "ok", driver.sqlite_version)
    advice = (
        "`pip install pysqlite3`: the fault of its write-ahead log, mended in 3.51.3, takes two connections "
        "that write, and the server has one; be safe all the same."
    )
    return Check("SQLite", "warning", driver.sqlite_version, advice)


def _home(settings: Settings) -> Check:
    home = settings.home
    if not home.exists():
        return Check("home", "ok", f"{home} is not there yet", "`fallline serve` makes it.")
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Check("home", "failed", f"{home} cannot be written", "Give it to this user.")
    if home.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        advice = f"Keep it to yourself: chmod 700 {home}"
        return Check("home", "warning", f"others can reach into {home}", advice)
    return Check("home", "ok", str(home))


def _file_system(path: Path) -> Check:
    kind = _kind_of(path.parent)
    if kind in NETWORK_FILE_SYSTEMS:
        advice = (
            "SQLite's locks do not hold there: put FALLLINE_DATABASE on a disk of this machine."
        )
        return Check("file system", "failed", f"the database is on {kind}", advice)
    return Check("file system", "ok", kind or "unknown")


def _kind_of(path: Path) -> str:
    """The kind of file system that a path is on, as Linux names it; empty where nobody says."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return ""
    kinds = {}
    for line in mounts.read_text(encoding="utf-8").splitlines():
        _device, place, kind, *_ = line.split()
        kinds[Path(place)] = kind
    absolute = path.absolute()
    return next((kinds[each] for each in (absolute, *absolute.parents) if each in kinds), "")


def _free_space(settings: Settings) -> Check:
    there = next(
        each for each in (settings.home, *settings.home.parents) if each.exists()
    )  # the root is
    free = shutil.disk_usage(there).free
    found = f"{free / GIBIBYTE:.1f} GiB free"
    if free < FREE_BYTES:
        return Check("disk", "warning", found, "Make room: a full disk stops every job.")
    return Check("disk", "ok", found)


def _database(path: Path) -> Check:
    from service import sqlite  # noqa: PLC0415 - a second for Optuna's tables
    from service.errors import StartupError  # noqa: PLC0415

    if not path.exists():
        return Check("database", "ok", "none yet", "`fallline serve` makes it.")
    fault = sqlite.find_fault(path)
    if fault is not None:
        return Check("database", "failed", fault, "Restore a backup: `fallline restore`.")
    try:
        sqlite.look(path)
    except StartupError as error:
        return Check("database", "failed", str(error), "See what it says.")
    return Check("database", "ok", f"{path}, {path.stat().st_size:,} bytes, whole")


def _postgresql(settings: Settings) -> Check:
    from service import postgresql  # noqa: PLC0415 - a second for Optuna's tables
    from service.errors import StartupError  # noqa: PLC0415

    try:
        return Check("database", "ok", postgresql.describe(settings.database_url))
    except StartupError as error:
        return Check("database", "failed", str(error), "See what it says.")


def _token(settings: Settings) -> Check:
    if settings.token is not None:
        return Check("token", "ok", "from FALLLINE_TOKEN")
    path = settings.token_file
    if not path.exists():
        return Check("token", "ok", "none yet", "`fallline serve` makes one.")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        advice = f"Others may have read it: delete {path} and start the server again."
        return Check("token", "failed", "others can read its file", advice)
    return Check("token", "ok", str(path))


def _workers(settings: Settings) -> Check:
    cores = os.cpu_count() or 1
    found = f"{settings.workers} workers, {cores} cores"
    if settings.workers > cores:
        return Check("workers", "warning", found, "More than one worker a core only costs memory.")
    return Check("workers", "ok", found)


def _server(settings: Settings) -> Check:
    try:
        answer = httpx.get(f"{settings.local_url}/readyz", timeout=10.0)
    except httpx.TransportError:
        return _port(settings)
    try:
        said = answer.json()
    except ValueError:
        said = None
    if not isinstance(said, dict) or not {"status"} <= said.keys():
        advice = "Another program has the port: stop it, or set FALLLINE_PORT."
        return Check("server", "failed", f"something else answers at {settings.local_url}", advice)
    if answer.status_code != httpx.codes.OK:
        return Check("server", "failed", str(said.get("detail")), "See the server's log.")
    return Check("server", "ok", f"ready at {settings.local_url}")


def _port(settings: Settings) -> Check:
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "localhost"} else settings.host  # noqa: S104
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((host.strip("[]"), settings.port))
        except OSError as error:
            advice = "Stop the program that has the port, or set FALLLINE_PORT or FALLLINE_HOST."
            return Check("server", "failed", f"port {settings.port}: {error.strerror}", advice)
    return Check("server", "ok", "not running; its port is free", "`fallline serve` starts it.")
