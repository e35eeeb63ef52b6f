"""An NPZ file of numpy arrays as a typed table."""

import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from service.ingest.canonical import canonical
from service.ingest.errors import IngestError
from service.ingest.inflation import check_inflated
from service.ingest.names import SHOWN, check_names
from service.ingest.upload import Binary, Upload

MOST_ARRAYS = 1000
LONGEST_HEADER = 10_000  # bytes
KINDS = "biufUM"  # booleans, numbers, text, dates
MATRIX = 2  # dimensions
BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError,
)  # fmt: skip
"""What zipfile and numpy raise for broken, encrypted, unknown or mispacked members."""


def read_arrays(path: Path) -> Upload:
    """Read an NPZ file: one-dimensional arrays are columns, two-dimensional ones groups of columns.

    Columns of a group are called by its name and a number: ``x_0``, ``x_1`` and so on.

    Raises:
        IngestError: it is no such file, its arrays have different numbers of rows, hold objects,
            or are not what their headers say.
    """
    size = path.stat().st_size
    columns: list[tuple[str, NDArray[np.generic]]] = []
    rows: dict[str, int] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_ARRAYS:
                raise _refused(f"it has {len(members)} members", f"at most {MOST_ARRAYS} arrays")
            check_inflated(sum(member.file_size for member in members), size)
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name == member.filename or member.is_dir():
                    raise _refused(
                        f"it has a member {member.filename[:SHOWN]!r}",
                        "members that are .npy files",
                    )
                with archive.open(member) as file:
                    array = _read(file, name, member.file_size)
                rows[name] = len(array)
                columns += _columns(name, array)
    except IngestError:
        raise
    except BROKEN as error:
        raise _refused("it is broken or packed in an unknown way", "as numpy.savez does") from error
    if len(set(rows.values())) > 1:
        shown = ", ".join(f"{name[:SHOWN]} {count}" for name, count in list(rows.items())[:10])
        raise _refused(f"its arrays have different numbers of rows: {shown}", "equally many rows")
    if len(columns) < MATRIX or not any(rows.values()):
        raise _refused(
            f"its arrays make {len(columns)} columns", "a target, at least one feature, and rows"
        )
    names = [name for name, _ in columns]
    check_names(names)
    kept = [canonical(pa.chunked_array([pa.array(column)])) for _, column in columns]
    return Upload(table=pa.Table.from_arrays(kept, names=names), format=Binary(kind="npz"))


def _read(file: IO[bytes], name: str, size: int) -> NDArray[np.generic]:
    """One array, read only if its header tells the truth."""
    version = npy.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = npy.read_array_header_1_0(file, max_header_size=LONGEST_HEADER)
    elif version == (2, 0):
        shape, fortran, dtype = npy.read_array_header_2_0(file, max_header_size=LONGEST_HEADER)
    else:
        raise _refused(f"array {name[:SHOWN]!r} has the format {version}", "format 1.0 or 2.0")
    if dtype.kind not in KINDS:
        raise _refused(
            f"array {name[:SHOWN]!r} holds {dtype.name}", "numbers, booleans, dates or text"
        )
    if not 1 <= len(shape) <= MATRIX:
        raise _refused(
            f"array {name[:SHOWN]!r} has {len(shape)} dimensions", "one or two: rows, and columns"
        )
    promised = prod(shape) * dtype.itemsize
    if promised != size - file.tell():
        raise _refused(
            f"array {name[:SHOWN]!r} should take {promised:,} bytes and has {size - file.tell():,}",
            "as many bytes as the shape says",
        )
    array = np.frombuffer(file.read(promised), dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def _columns(name: str, array: NDArray[np.generic]) -> list[tuple[str, NDArray[np.generic]]]:
    if array.ndim == 1:
        return [(name, array)]
    return [(f"{name}_{i}", array[:, i]) for i in range(array.shape[1])]


def _refused(problem: str, allowed: str) -> IngestError:
    return IngestError(
        f"the file cannot be read as NPZ: {problem}. Allowed: {allowed}.",
        value=problem,
        allowed=allowed,
    )
