"""Every rule by name: the one list that the search space, the catalogue and the tests read."""

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


def find_rule(name: str) -> Rule:
    """The rule of that name.

    Raises:
        UnknownName: there is none; the message offers the nearest names.
    """
    if name not in RULES:
        raise UnknownName("optimizer", name, RULES)
    return RULES[name]
