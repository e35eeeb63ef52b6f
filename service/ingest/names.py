"""The names of a table's columns."""

from collections.abc import Sequence

from service.ingest.errors import IngestError

MAX_COLUMNS = 10_000
SHOWN = 40  # characters of a name in a message


def check_names(names: Sequence[str]) -> None:
    """Refuse names that do not tell the columns of a table apart.

    Raises:
        IngestError: too many columns, one without a name, or two of the same name.
    """
    if len(names) > MAX_COLUMNS:
        raise IngestError(
            f"the file has {len(names)} columns; at most {MAX_COLUMNS} are taken. "
            "Remove columns, or store the table the other way round.",
            value=len(names),
            allowed=f"2 to {MAX_COLUMNS} columns",
        )
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise IngestError(
                f"column {number} has no name. Name it in the first row, or leave it out (pandas "
                "writes such a column for its index unless told index=False).",
                value=f"column {number}",
                allowed="a name for every column",
            )
        if name in first:
            raise IngestError(
                f"columns {first[name]} and {number} have the same name, {name[:SHOWN]!r}. "
                "Rename one.",
                value=name[:SHOWN],
                allowed="distinct column names",
            )
        first[name] = number
