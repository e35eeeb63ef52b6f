"""An upload is read in a process of its own, which is ended if it takes too much.

What a hostile file does to its reader, be it memory, time or a crash, it does to that process.
"""

import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
from pydantic import TypeAdapter

from service.ingest import read_upload, write_parquet
from service.ingest.errors import IngestError
from service.ingest.upload import NOTHING_SAID, Format, Said
from service.processes import CONTEXT, make_ready
from studies.data.schema import TableSchema, describe
from studies.errors import DataError

MEMORY = 160 * 2**20  # bytes that reading any file may take,
MEMORY_A_BYTE = 20  # and more for each of its bytes
SECONDS = 2.0  # of the processor's time that reading any file may take,
SECONDS_A_MEBIBYTE = 2.0  # and more for each of its mebibytes
LONGEST = 10.0  # times as long by the clock: the machine may be busy
POLL_SECONDS = 0.01
START_SECONDS = 60.0  # for a reader to begin: the machine may be busy

_FORMAT: TypeAdapter[Format] = TypeAdapter(Format)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Described:
    """What is known of an upload whose table has been written.

    Attributes:
        schema: of the table.
        format: how the file held it.
        warnings: of the reading, and of the table.
    """

    schema: TableSchema
    format: Format
    warnings: tuple[str, ...]


def read_apart(path: Path, media_type: str, draft: Path, said: Said = NOTHING_SAID) -> Described:
    """Read an upload, write its table in canonical form, and describe it.

    Args:
        path: the upload.
        media_type: as `read_upload` takes it.
        draft: where to write the table.
        said: of a text file.

    Raises:
        DataError: the file is no table that can be learned from, or takes far too much to read.
    """
    size = path.stat().st_size
    memory = MEMORY + MEMORY_A_BYTE * size
    seconds = SECONDS + SECONDS_A_MEBIBYTE * size / 2**20
    make_ready()
    ours, theirs = CONTEXT.Pipe(duplex=False)
    reader = CONTEXT.Process(
        target=_read, args=(path, media_type, said, draft, theirs), daemon=True
    )
    reader.start()
    theirs.close()
    try:
        answer = _answer(ours, reader, memory, seconds)
    finally:
        reader.kill()
        reader.join()
        ours.close()
    if "refused" in answer:
        raise DataError(**answer["refused"])
    return Described(
        schema=TableSchema.model_validate(answer["schema"]),
        format=_FORMAT.validate_python(answer["format"]),
        warnings=tuple(answer["warnings"]),
    )


def _read(path: Path, media_type: str, said: Said, draft: Path, answer: Connection) -> None:
    """Runs in the reader; the answer is JSON, as a reader may have been taken over."""
    answer.send_bytes(b"begun")
    try:
        upload = read_upload(path, media_type, said)
        schema = describe(upload.table)
        write_parquet(upload.table, draft)
        told = {
            "schema": schema.model_dump(mode="json"),
            "format": upload.format.model_dump(mode="json"),
            "warnings": [*upload.warnings, *schema.warnings],
        }
    except DataError as error:
        told = {
            "refused": {
                "message": str(error),
                "field": error.field,
                "value": error.value,
                "allowed": error.allowed,
            }
        }
    answer.send_bytes(json.dumps(told).encode())


def _answer(ours: Connection, reader: BaseProcess, memory: int, seconds: float) -> dict[str, Any]:
    """Wait for the reader, and see that it keeps within its limits."""
    try:
        if not ours.poll(START_SECONDS):
            raise TimeoutError("no reader of uploads has begun")
        ours.recv_bytes()
        with suppress(psutil.NoSuchProcess):  # it has ended, and said what it had to say
            _watch(ours, psutil.Process(reader.pid), memory, seconds)
        answer: dict[str, Any] = json.loads(ours.recv_bytes())
    except EOFError:  # it said nothing; why is on its standard error
        logger.warning("the reader of an upload failed")
        raise IngestError(
            "the file cannot be read: its reader failed. Write it again with another program, or "
            "as CSV.",
            value="unreadable",
            allowed="a table",
        ) from None
    return answer


def _watch(ours: Connection, reader: psutil.Process, memory: int, seconds: float) -> None:
    """Return as soon as there is an answer; raise if the reader takes too much before."""
    began, spent, first = time.monotonic(), _spent(reader), reader.memory_info().rss
    while not ours.poll(POLL_SECONDS):
        waited = time.monotonic() - began
        if _spent(reader) - spent > seconds or waited > LONGEST * seconds:
            raise _too_much(f"more than {seconds:.0f} seconds", "a table that is read sooner")
        if reader.memory_info().rss - first > memory:
            raise _too_much(f"more than {memory:,} bytes of memory", "a smaller table, or CSV")


def _spent(reader: psutil.Process) -> float:
    times = reader.cpu_times()
    return times.user + times.system


def _too_much(taken: str, allowed: str) -> IngestError:
    return IngestError(f"reading the file takes {taken}.", value=taken, allowed=allowed)
