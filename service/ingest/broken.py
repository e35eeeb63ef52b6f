"""What reading a broken archive raises."""

import zipfile
import zlib

BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError,
)  # fmt: skip
"""What zipfile and numpy raise for broken, encrypted, unknown or mispacked members."""
