"""Uploads: from a file of any known format to a typed table in canonical form."""

from collections.abc import Callable
from pathlib import Path

from service.ingest.arrays import read_arrays
from service.ingest.canonical import as_csv, head, read_parquet, write_parquet
from service.ingest.columnar import read_columnar
from service.ingest.delimited import read_delimited
from service.ingest.errors import IngestError
from service.ingest.upload import Binary, Upload

__all__ = [
    "TYPES",
    "UNSAID",
    "Binary",
    "IngestError",
    "Upload",
    "as_csv",
    "head",
    "read_delimited",
    "read_parquet",
    "read_upload",
    "write_parquet",
]

Reader = Callable[[Path], Upload]

TYPES: dict[str, Reader] = {
    "text/csv": read_delimited,
    "application/csv": read_delimited,
    "text/tab-separated-values": read_delimited,
    "text/plain": read_delimited,
    "application/vnd.apache.parquet": read_columnar,
    "application/x-npz": read_arrays,
}
"""How to read what a Content-Type names."""

UNSAID = frozenset({"", "application/octet-stream"})
"""What says nothing of the file."""
MAGIC: dict[bytes, Reader] = {b"PAR1": read_columnar, b"PK\x03\x04": read_arrays}


def read_upload(path: Path, media_type: str = "") -> Upload:
    """Read a file as its media type says, or as its first bytes do.

    Args:
        path: the file; its name says nothing.
        media_type: one of `TYPES` or `UNSAID`.

    Raises:
        IngestError: it holds no table; the message says where and what to do.
    """
    if media_type not in UNSAID:
        return TYPES[media_type](path)
    with path.open("rb") as file:
        head = file.read(4)
    return MAGIC.get(head, read_delimited)(path)
