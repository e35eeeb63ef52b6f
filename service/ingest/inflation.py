"""How much a compressed upload may hold."""

from service.ingest.errors import IngestError

RATIO = 200  # bytes held to a byte of the file: more than any real table was seen to have
ALWAYS = 64 * 2**20  # bytes that even the smallest file may hold


def check_inflated(inflated: int, file_bytes: int) -> None:
    """Refuse a file that holds far more than it has bytes.

    Raises:
        IngestError: it does.
    """
    allowed = ALWAYS + RATIO * file_bytes
    if inflated > allowed:
        raise IngestError(
            f"the file has {file_bytes:,} bytes and would take {inflated:,} or more once unpacked; "
            f"at most {allowed:,} are taken. Upload the table as CSV if it is so.",
            value=inflated,
            allowed=f"at most {allowed} bytes unpacked",
        )
