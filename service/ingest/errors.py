"""What is wrong with an upload."""

from studies.errors import DataError


class IngestError(DataError):
    """An uploaded file is no table."""

    def __init__(self, message: str, *, value: object, allowed: str) -> None:
        super().__init__(message, field="file", value=value, allowed=allowed)
