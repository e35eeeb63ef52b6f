"""What can be wrong with a request to train something."""

from collections.abc import Iterable
from difflib import get_close_matches


class OptimizerError(ValueError):
    """Base of every error that `optimizers` raises for bad input.

    Attributes:
        field: what was wrong, e.g. ``optimizer`` or ``adam.beta1``.
        value: what was received.
        allowed: what would have been accepted, in words or as a list.
    """

    def __init__(self, field: str, value: object, allowed: object, hint: str = "") -> None:
        words = ", ".join(map(str, allowed)) if isinstance(allowed, list) else str(allowed)
        super().__init__(f"{field} must be {words}. Got {value!r}.{hint}")
        self.field = field
        self.value = value
        self.allowed = allowed


class UnknownName(OptimizerError):
    """A name that no registry holds; the message offers the nearest ones."""

    def __init__(self, field: str, value: str, allowed: Iterable[str]) -> None:
        names = sorted(allowed)
        near = get_close_matches(str(value), names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
        super().__init__(field, value, names, hint)


class InvalidHyperparameter(OptimizerError):
    """A hyperparameter the rule or schedule does not have, or a value outside what it allows."""


class InvalidProblem(OptimizerError):
    """Data, model or configurations that cannot be trained together."""


def whole_number(field: str, value: object, least: int, below: int | None = None) -> int:
    """The value, if it is a whole number (no boolean) at least ``least`` and under ``below``.

    Raises:
        InvalidProblem: it is not.
    """
    number = isinstance(value, int) and not isinstance(value, bool)
    if number and value >= least and (below is None or value < below):  # type: ignore[operator]
        return value  # type: ignore[return-value]
    top = "" if below is None else f" and below {below}"
    raise InvalidProblem(field, value, f"a whole number at least {least}{top}")
