"""Every rule by name: the one list that the search space, the catalogue and the tests read."""

from optimizers.errors import UnknownName
from optimizers.rule import Rule
from optimizers.rules import adaptive, descent

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        descent.SGD,
        descent.HEAVY_BALL,
        descent.NESTEROV,
        adaptive.ADAGRAD,
        adaptive.RMSPROP,
        adaptive.ADAM,
        adaptive.ADAMW,
    )
}

CLASSIC = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
"""The optimizers that every textbook names."""


def find_rule(name: str) -> Rule:
    """The rule of that name.

    Raises:
        UnknownName: there is none; the message offers the nearest names.
    """
    if name not in RULES:
        raise UnknownName("optimizer", name, RULES)
    return RULES[name]
