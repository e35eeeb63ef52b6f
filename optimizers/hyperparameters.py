"""One hyperparameter: its default, what it may be, and where it is worth searching."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from optimizers.errors import InvalidHyperparameter, UnknownName

Scale = Literal["linear", "log", "log1m"]
"""How a range is searched: evenly, evenly in log(x), or evenly in log(1 - x)."""


@dataclass(frozen=True)
class Hyperparameter:
    """A number that a trial fixes before training.

    Attributes:
        name: as users write it.
        default: what the paper or its best-known implementation uses.
        meaning: one sentence for people.
        low, high: the range worth searching; None means it stays at its default.
        scale: how that range is searched.
        minimum, maximum: what the mathematics allows (closed, open at the top for ``below``).
        below: the value must stay strictly below this.
        whole: whether it counts something: a whole number, searched as one.
        source: where the range comes from.
    """

    name: str
    default: float
    meaning: str
    low: float | None = None
    high: float | None = None
    scale: Scale = "linear"
    minimum: float = 0.0
    maximum: float = float("inf")
    below: float = float("inf")
    whole: bool = False
    source: str = ""

    @property
    def searched(self) -> bool:
        """Whether studies search it (else it stays at its default)."""
        return self.low is not None

    @property
    def allowed(self) -> str:
        """What the mathematics allows, in words."""
        top = f"below {self.below:g}" if self.below < float("inf") else ""
        top = top or (f"at most {self.maximum:g}" if self.maximum < float("inf") else "finite")
        return f"a {'whole ' if self.whole else ''}number at least {self.minimum:g} and {top}"

    def check(self, owner: str, value: object) -> float:
        """The value as a float; as an int if it must be whole.

        Raises:
            InvalidHyperparameter: it is no number, not whole, or outside what is allowed.
        """
        if isinstance(value, int | float) and not isinstance(value, bool):
            with suppress(OverflowError):  # a whole number beyond every float
                number = float(value)
                inside = self.minimum <= number <= self.maximum and number < self.below
                if inside and not self.whole:
                    return number
                if inside and number.is_integer():
                    return int(number)
        raise InvalidHyperparameter(f"{owner}.{self.name}", value, self.allowed)


def complete(
    owner: str, declared: Sequence[Hyperparameter], given: Mapping[str, float]
) -> dict[str, float]:
    """Every declared hyperparameter with its given or default value, checked.

    Raises:
        UnknownName: a given name is not declared (never ignored in silence).
        InvalidHyperparameter: a value outside what is allowed.
    """
    names = [hyperparameter.name for hyperparameter in declared]
    for name in given:
        if name not in names:
            raise UnknownName(f"{owner}'s hyperparameters", name, names)
    return {h.name: h.check(owner, given.get(h.name, h.default)) for h in declared}
