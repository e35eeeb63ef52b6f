"""Uploads: from a file of any known format to a typed table in canonical form."""

import zipfile
from collections.abc import Callable
from pathlib import Path

from service.ingest.arrays import read_arrays
from service.ingest.broken import BROKEN
from service.ingest.canonical import (
    as_csv,
    extremes,
    head,
    read_parquet,
    values,
    write_parquet,
)
from service.ingest.columnar import read_columnar
from service.ingest.delimited import read_delimited
from service.ingest.errors import IngestError
from service.ingest.pictures import looks_like_pictures, read_pictures
from service.ingest.upload import NOTHING_SAID, Binary, Said, Upload

__all__ = [
    "NOTHING_SAID",
    "TYPES",
    "UNSAID",
    "Binary",
    "IngestError",
    "Said",
    "Upload",
    "as_csv",
    "extremes",
    "head",
    "read_delimited",
    "read_parquet",
    "read_upload",
    "values",
    "write_parquet",
]

Reader = Callable[[Path], Upload]


def read_archive(path: Path) -> Upload:
    """Read a ZIP: of pictures if it has any, else of numpy arrays.

    Raises:
        IngestError: it is neither.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pictures = looks_like_pictures(archive)
    except BROKEN:  # of which the reader of arrays will say more
        pictures = False
    return read_pictures(path) if pictures else read_arrays(path)


TYPES: dict[str, Reader] = {
    "text/csv": read_delimited,
    "application/csv": read_delimited,
    "text/tab-separated-values": read_delimited,
    "text/plain": read_delimited,
    "application/vnd.apache.parquet": read_columnar,
    "application/x-npz": read_arrays,
    "application/zip": read_archive,
}
"""How to read what a Content-Type names."""

UNSAID = frozenset({"", "application/octet-stream"})
"""What says nothing of the file."""
MAGIC: dict[bytes, Reader] = {b"PAR1": read_columnar, b"PK\x03\x04": read_archive}


def read_upload(path: Path, media_type: str = "", said: Said = NOTHING_SAID) -> Upload:
    """Read a file as its media type says, or as its first bytes do.

    Args:
        path: the file; its name says nothing.
        media_type: one of `TYPES` or `UNSAID`.
        said: of a text file.

    Raises:
        IngestError: it holds no table; the message says where and what to do.
    """
    reader = TYPES.get(media_type)
    if reader is None:
        with path.open("rb") as file:
            head = file.read(4)
        reader = MAGIC.get(head, read_delimited)
    if reader is read_delimited:
        return read_delimited(path, said)
    if given := said.model_dump(exclude_none=True):
        raise IngestError(
            f"{' and '.join(given)} can be said of a text file alone; this one says itself how it is "
            "to be read. Leave it out.",
            value=given,
            allowed="text/csv and its kin",
        )
    return reader(path)
