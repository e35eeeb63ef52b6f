"""Which SQLite: the one that Python was built with, or a newer one where that one has a fault.

A process must open a database with one of the two alone: the locks of a file are the process's, and
each SQLite keeps its own book of those that it holds.
"""

import sqlite3
from importlib import import_module
from importlib.util import find_spec
from typing import Any

# https://sqlite.org/wal.html#walresetbug: two connections that write and checkpoint can lose commits.
MENDED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))


def is_mended(version: tuple[int, ...]) -> bool:
    """Whether a version of SQLite is without the fault of its write-ahead log."""
    return version >= MENDED[0] or any(
        version[:2] == fixed[:2] and version >= fixed for fixed in MENDED
    )


def choose(version: tuple[int, ...]) -> Any:
    """The driver to use where Python's own SQLite is of that version; both are used alike."""
    if is_mended(version) or find_spec("pysqlite3") is None:
        return sqlite3
    return import_module("pysqlite3.dbapi2")


driver = choose(sqlite3.sqlite_version_info)
