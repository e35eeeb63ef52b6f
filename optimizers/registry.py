"""Every rule by name: the one list that the search space, the catalogue and the tests read."""

from dataclasses import dataclass

from optimizers.errors import UnknownName
from optimizers.rule import Rule
from optimizers.rules import (
    adam,
    adam_variants,
    adaptive,
    averaging,
    cautious,
    curvature,
    descent,
    factored,
    layerwise,
    lion,
    momentum_mixtures,
    muon,
    parameter_free,
    shampoo,
    signs,
    wrappers,
)

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        descent.SGD,
        descent.HEAVY_BALL,
        descent.NESTEROV,
        descent.QHM,
        descent.AGGMO,
        descent.ASGD,
        signs.SIGNUM,
        signs.RPROP,
        adaptive.ADAGRAD,
        adaptive.RMSPROP,
        adaptive.RMSPROP_CENTERED,
        adaptive.ADADELTA,
        adam.ADAM,
        adam.ADAMW,
        adam.AMSGRAD,
        adam.ADAMAX,
        adam.NADAM,
        adam.RADAM,
        wrappers.SAM,
        wrappers.LOOKAHEAD,
        curvature.SOPHIA,
        lion.LION,
        adam_variants.YOGI,
        adam_variants.ADABELIEF,
        adam_variants.ADABOUND,
        adam_variants.LAPROP,
        adam_variants.ADOPT,
        adam_variants.STABLE_ADAMW,
        momentum_mixtures.NADAMW,
        momentum_mixtures.ADAN,
        momentum_mixtures.ADEMAMIX,
        momentum_mixtures.MARS,
        cautious.CAUTIOUS_ADAMW,
        cautious.CAUTIOUS_LION,
        cautious.GRAMS,
        averaging.SCHEDULE_FREE_SGD,
        averaging.SCHEDULE_FREE_ADAMW,
        averaging.MADGRAD,
        parameter_free.DOG,
        parameter_free.DOWG,
        parameter_free.PRODIGY,
        parameter_free.DADAPT_ADAM,
        layerwise.LAMB,
        layerwise.LARS,
        layerwise.NOVOGRAD,
        factored.ADAFACTOR,
        muon.MUON,
        shampoo.SOAP,
        shampoo.SHAMPOO,
    )
}

CLASSIC = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
"""The optimizers that every textbook names."""


@dataclass(frozen=True)
class Family:
    """Rules that rest on one thought.

    Attributes:
        name: of the family.
        thought: that they share, in one sentence.
        rules: their names.
    """

    name: str
    thought: str
    rules: tuple[str, ...]


FAMILIES = (
    Family(
        "Descent and momentum",
        "A step against the gradient, or against a mean of the gradients so far.",
        ("sgd", "momentum", "nesterov", "qhm", "aggmo"),
    ),
    Family(
        "Signs",
        "Only where the gradient points counts, not how large it is.",
        ("signum", "rprop", "lion", "cautious_lion"),
    ),
    Family(
        "Adaptive",
        "Each weight's step is divided by the size that its gradients used to have.",
        ("adagrad", "rmsprop", "rmsprop_centered", "adadelta"),
    ),
    Family(
        "Adam and its kin",
        "A mean of the gradients, divided by the size that they used to have.",
        (
            "adam", "adamw", "amsgrad", "adamax", "nadam", "radam", "yogi", "adabelief",
            "adabound", "laprop", "adopt", "stable_adamw", "nadamw", "adan", "ademamix", "mars",
            "cautious_adamw", "grams",
        ),
    ),
    Family(
        "Averaging",
        "What is judged is an average of the points passed, which takes out their swings.",
        ("asgd", "lookahead", "schedule_free_sgd", "schedule_free_adamw", "madgrad"),
    ),
    Family(
        "Parameter-free",
        "The length of steps follows from how far the training has come, not from a rate.",
        ("dog", "dowg", "prodigy", "dadapt_adam"),
    ),
    Family(
        "Layer-wise",
        "Each layer's step is measured by the size of that layer.",
        ("lamb", "lars", "novograd"),
    ),
    Family(
        "Matrix",
        "A layer's gradient is a matrix, and its rows and columns belong together.",
        ("adafactor", "muon", "soap", "shampoo"),
    ),
    Family(
        "Curvature",
        "A second look at the loss nearby: how it bends, or how bad it gets.",
        ("sophia", "sam"),
    ),
)  # fmt: skip
"""Every rule in one of them."""


def find_rule(name: str) -> Rule:
    """The rule of that name.

    Raises:
        UnknownName: there is none; the message offers the nearest names.
    """
    if name not in RULES:
        raise UnknownName("optimizer", name, RULES)
    return RULES[name]
