"""An NPZ file of numpy arrays as a typed table."""

import zipfile
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from service.ingest.broken import BROKEN
from service.ingest.canonical import canonical
from service.ingest.errors import IngestError
from service.ingest.inflation import check_inflated
from service.ingest.names import SHOWN, check_names
from service.ingest.upload import Binary, Upload
from studies.data.images import LEVELS, ImageShape, image_column, image_field

MOST_ARRAYS = 1000
LONGEST_HEADER = 10_000  # bytes
KINDS = "biufUM"  # booleans, numbers, text, dates
MATRIX = 2  # dimensions
IMAGES = (3, 4)  # dimensions: rows, height, width, and channels if there are any
LONGEST_SIDE = 64  # pixels


def read_arrays(path: Path) -> Upload:
    """Read an NPZ file: one-dimensional arrays are columns, two-dimensional ones groups of columns.

    Columns of a group are called by its name and a number: ``x_0``, ``x_1`` and so on. An array of
    three dimensions, or of four, is a column of images: (rows, height, width), with channels last or
    first. Their values must be levels from 0 to 255, or shares from 0 to 1.

    Raises:
        IngestError: it is no such file, its arrays have different numbers of rows, hold objects,
            or are not what their headers say.
    """
    size = path.stat().st_size
    columns: list[tuple[str, NDArray[np.generic]]] = []
    warnings: list[str] = []
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
                if array.ndim in IMAGES:
                    columns.append((name, _images(name, array, warnings)))
                else:
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
    fields, kept = zip(*(_kept(name, column) for name, column in columns), strict=True)
    table = pa.Table.from_arrays(list(kept), schema=pa.schema(fields))
    return Upload(table=table, format=Binary(kind="npz"), warnings=tuple(warnings))


def _kept(name: str, array: NDArray[np.generic]) -> tuple[pa.Field, pa.ChunkedArray]:
    if array.ndim == 1:
        column = canonical(pa.chunked_array([pa.array(array)]))
        return pa.field(name, column.type), column
    _, height, width, channels = array.shape
    images = image_column(array.astype(np.uint8, copy=False))
    return image_field(name, ImageShape(height, width, channels)), pa.chunked_array([images])


def _images(name: str, array: NDArray[np.generic], warnings: list[str]) -> NDArray[np.uint8]:
    """Images of 8 bits a channel: (rows, height, width, channels)."""
    shown = name[:SHOWN]
    images = array[..., None] if array.ndim == MATRIX + 1 else array
    if images.shape[3] not in {1, 3} and images.shape[1] in {1, 3}:
        images = images.transpose(0, 2, 3, 1)
    height, width, channels = images.shape[1:]
    if channels not in {1, 3} or not 1 <= min(height, width) <= max(height, width) <= LONGEST_SIDE:
        raise _refused(
            f"array {shown!r} has the shape {array.shape}",
            f"images of at most {LONGEST_SIDE} x {LONGEST_SIDE} pixels with 1 or 3 channels",
        )
    if images.dtype == np.uint8:
        return images.view(np.uint8)
    if images.dtype.kind not in "biuf":
        raise _refused(f"images {shown!r} hold {images.dtype.name}", "numbers")
    least, greatest = (float(end) for end in (images.min(), images.max()))
    if not 0 <= least <= greatest < LEVELS:  # false for NaN too
        raise _refused(
            f"images {shown!r} hold values from {least:g} to {greatest:g}",
            "levels from 0 to 255, or shares from 0 to 1",
        )
    shares = images.dtype.kind in "bf" and greatest <= 1
    levels = np.rint(images.astype(np.float32) * (LEVELS - 1 if shares else 1)).clip(0, LEVELS - 1)
    if images.dtype.kind == "f":
        warnings.append(f"images {shown!r} are kept with 8 bits a channel")
    return levels.astype(np.uint8)


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
    if not 1 <= len(shape) <= max(IMAGES):
        raise _refused(
            f"array {name[:SHOWN]!r} has {len(shape)} dimensions",
            "one or two, rows and columns; for images three or four",
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
