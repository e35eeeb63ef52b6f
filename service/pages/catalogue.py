"""What the pages of optimizers and of schedules share: hyperparameters for a table, papers."""

import re
from typing import NamedTuple

from markupsafe import Markup, escape

from optimizers.hyperparameters import Hyperparameter
from service.pages.formulas import symbol

GREEK = {
    "alpha": "α", "beta": "β", "beta1": "β₁", "beta2": "β₂", "beta3": "β₃", "decay_power": "p",
    "epsilon": "ε", "gamma": "γ", "learning_rate": "η", "matrix_epsilon": "δ", "momentum": "μ",
    "momentum_decay": "ψ", "nu": "ν", "period": "k", "rho": "ρ", "shampoo_beta": "β",
    "trust_coefficient": "κ", "weight_decay": "λ",
}  # fmt: skip
"""Letters that formulas have for hyperparameters."""

SCALES = {"linear": "evenly", "log": "by its logarithm", "log1m": "by its distance from 1"}


class Row(NamedTuple):
    """A hyperparameter, and the letter that a formula has for it, if it is known."""

    declared: Hyperparameter
    letter: Markup | None

    @property
    def scale(self) -> str:
        """How its range is searched, in words."""
        return SCALES[self.declared.scale]


def rows(declared: tuple[Hyperparameter, ...], text: str) -> list[Row]:
    """Hyperparameters for a table, beside the formula that they stand in."""
    letters = ((each, GREEK.get(each.name)) for each in declared)
    return [
        Row(each, symbol(known) if known and known in text else None) for each, known in letters
    ]


def reference(text: str) -> Markup:
    """Where a rule comes from, with a link to each paper that arXiv has."""
    link = r'<a href="https://arxiv.org/abs/\1" rel="noreferrer">arXiv:\1</a>'
    return Markup(re.sub(r"arXiv:(\d{4}\.\d{4,5})", link, str(escape(text))))  # noqa: S704
