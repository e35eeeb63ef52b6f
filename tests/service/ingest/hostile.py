"""Files that mean harm to whoever reads them."""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NPZ, PARQUET, CSV = "application/x-npz", "application/vnd.apache.parquet", "text/csv"
ZIP = "application/zip"


def header(shape: str, dtype: str = "<f8", length: int = 118) -> bytes:
    """The head of an array that need not be there."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(length - 1)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", length) + text.encode() + b"\n"


def archive(**members: bytes) -> bytes:
    """An NPZ file with these members, whatever they are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in members.items():
            written.writestr(f"{name}.npy", content)
    return file.getvalue()


def folders(**members: bytes) -> bytes:
    """A ZIP with these members, ``__`` in a name for a slash, not packed any further."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name, content in members.items():
            written.writestr(f"{name.replace('__', '/')}.png", content)
    return file.getvalue()


def _parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def _zip_of_zips() -> bytes:
    inner = archive(x=header("(134217728,)") + bytes(2**26))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as outer:
        outer.writestr("inner.zip", inner)
    return file.getvalue()


def _overlapping() -> bytes:
    """A thousand entries of the directory that all name the same large member."""
    content = archive(x=header("(8388608,)", "|i1") + bytes(2**23))
    start = content.rindex(b"PK\x01\x02")
    end = content.rindex(b"PK\x05\x06")
    entry, size = content[start:end], 1000
    directory = b"".join(
        entry.replace(b"x.npy", struct.pack(">I", i + 0x61616161) + b"y") for i in range(size)
    )
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, size, size, len(directory), start, 0)
    return content[:start] + directory + tail


def image_bomb(side: int = 50_000) -> bytes:
    """A PNG of a few kilobytes that tells of so many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    size = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(10**6)))


class Bait:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """How it is unpickled."""
        return self.canary.write_text, ("taken",)


def corpus(canary: Path) -> dict[str, tuple[str, bytes]]:
    """Each with the media type that it claims; pickles would write the canary."""
    zeros = pa.array(np.zeros(2**25, np.int64))
    text = pa.array(["x" * 2**20] * 100).dictionary_encode().dictionary.take(pa.array([0] * 200))
    bait = pickle.dumps([Bait(canary)])
    return {
        "forged shape": (NPZ, archive(x=header("(4294967296,)"))),
        "shape beyond 64 bits": (NPZ, archive(x=header("(4611686018427387904, 8)"))),
        "huge header": (NPZ, archive(x=header("(1,)", length=65_535) + bytes(8))),
        "deflate bomb": (NPZ, archive(x=header("(33554432,)") + bytes(2**28))),
        "overlapping members": (NPZ, _overlapping()),
        "ten thousand members": (NPZ, archive(**{f"m{i}": b"" for i in range(10_000)})),
        "zip of zips": (NPZ, _zip_of_zips()),
        "object array": (NPZ, archive(x=header("(1,)", "|O") + bait)),
        "pickle as npz": (NPZ, bait),
        "pickle as csv": (CSV, bait),
        "pickle as anything": ("application/octet-stream", bait),
        "parquet of equal numbers": (PARQUET, _parquet(pa.table([zeros, zeros], names=["a", "b"]))),
        "parquet of long text": (PARQUET, _parquet(pa.table([text, text], names=["a", "b"]))),
        "parquet without a footer": (PARQUET, b"PAR1" + bytes(1000)),
        "image bomb": ("application/octet-stream", image_bomb()),
        "image bomb in a folder": (ZIP, folders(a__1=image_bomb())),
        "image of a few pixels too many": (ZIP, folders(a__1=image_bomb(4097))),
        "many images just not too large": (
            ZIP,
            folders(**{f"a__{i}": image_bomb(4096) for i in range(200)}),
        ),
        "image that is none": (ZIP, folders(a__1=b"\x89PNG\r\n\x1a\n" + bytes(100), b__1=bait)),
        "image outside its archive": (ZIP, folders(**{"..__..__etc__passwd": b"x"})),
        "images in no folder": (ZIP, folders(a=b"x", b=b"x")),
        "archive of nothing": (ZIP, folders()),
        "images of forged shape": (NPZ, archive(x=header("(65536, 65536, 3)", "|u1"))),
        "images as objects": (NPZ, archive(x=header("(1, 1, 1)", "|O") + bait)),
        "pickle as zip": (ZIP, bait),
        "10,001 columns": (CSV, (",".join(f"c{i}" for i in range(10_001)) + "\n1").encode()),
        "a million columns": (CSV, b"a" + b"," * 10**6 + b"\n1"),
        "one endless line": (CSV, b"a,b\n" + b"x" * 2**25),
        "NUL bytes": (CSV, b"a,b\n1,\0\n" + bytes(10**6)),
        "two encodings": (CSV, "a,b\n1,é\n".encode() + b"1,\xe9\n"),
        "an open quote": (CSV, b'a,b\n1,"' + b"x\n" * 10**6),
    }
