"""What can be wrong with a request to study something."""

from difflib import get_close_matches

SHOWN = 30  # names listed in a message


class StudyError(ValueError):
    """Base of every error that `studies` raises for bad input.

    Attributes:
        field: the offending field as a dotted path, e.g. ``space.optimizers``.
        value: what was received.
        allowed: what would have been accepted, in words or as a list.
    """

    def __init__(
        self, message: str, *, field: str = "", value: object = None, allowed: object = None
    ) -> None:
        super().__init__(message)
        self.field = field
        self.value = value
        self.allowed = allowed


class SpecError(StudyError):
    """A field of the spec does not fit the data or the catalogue."""


class DataError(StudyError):
    """The table cannot be learned from."""


class EvidenceError(StudyError):
    """Scores that no verdict can rest on."""


def unknown(field: str, value: str, allowed: list[str]) -> SpecError:
    """The error for a name that is not in a list, with the nearest names that are."""
    listed = ", ".join(map(str, allowed[:SHOWN])) + (", ..." if len(allowed) > SHOWN else "")
    near = get_close_matches(str(value), map(str, allowed), n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
    return SpecError(
        f"{field} must be among {listed}. Got {value!r}.{hint}",
        field=field,
        value=value,
        allowed=allowed[:SHOWN],
    )
