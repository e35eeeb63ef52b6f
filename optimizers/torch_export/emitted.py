"""Rules that torch lacks: a class of its own for each, around the rule's own functions."""

import re

from optimizers.configuration import Configuration
from optimizers.layout import Layout
from optimizers.registry import find_rule
from optimizers.rule import Rule
from optimizers.torch_export.class_text import class_text
from optimizers.torch_export.formatting import bracketed, call, strings
from optimizers.torch_export.optimizer_class import OptimizerClass
from optimizers.torch_export.rows import BatchLoss, ShapedBatchLoss, from_row, to_row
from optimizers.torch_export.source import Root, Source, extract

_ABOUT = """\
# The rule, as written for k trials side by side, each a row of all P weights of its model.
# Here k is 1, and coefficients are computed a step at a time."""


def emitted(configuration: Configuration) -> OptimizerClass:
    """The class for a configuration's rule.

    Raises:
        InvalidProblem: the rule is not made of functions at the top level of modules.
    """
    rule = find_rule(configuration.optimizer)
    shaping = {"clip_norm": configuration.clip_norm, "l2": configuration.l2}
    shaping = {name: value for name, value in shaping.items() if value}
    loss = ShapedBatchLoss if shaping else BatchLoss
    source, blocks, layout = _rule(rule, [to_row, from_row, *([loss] if rule.probes else [])])
    total_steps = any('"total_steps"' in block for block in blocks)
    words = {
        "name": "".join(part.capitalize() for part in rule.name.split("_")),
        "start": f"{source.add(rule)}(weights{', layout' if layout else ''})",
        "coefficients": source.add(rule.coefficients),
        "update": source.add(rule.update),
        "evaluation_point": source.add(rule.evaluation_point) if rule.evaluation_point else "",
        "probe": call(loss.__name__, ["parameters", "closure"], shaping, "        c.probe = "),
        **_hyperparameters(rule, total_steps),
    }
    flags = {
        "layout": layout,
        "counts": "step" in source.attributes,
        "probes": rule.probes,
        "averages": rule.evaluation_point is not None,
    }
    return OptimizerClass(
        words["name"],
        {_argument(name): value for name, value in configuration.hyperparameters.items()},
        total_steps,
        blocks=(f"{_ABOUT}\n\n{blocks[0]}", *blocks[1:], class_text(words, flags)),
        imports=source.imports,
    )


def _rule(rule: Rule, others: list[Root]) -> tuple[Source, list[str], bool]:
    """What a rule and others are made of, its text, and whether it looks at the layout of a row."""
    roots: list[Root] = [rule.coefficients, rule, rule.update]
    roots += [rule.evaluation_point] if rule.evaluation_point else []
    source = extract([*roots, *others], ignored=[Layout.__name__])
    # Every start is given the layout; most do not look at it.
    blocks = [
        block.replace(", layout: Layout", "").replace("(weights, layout)", "(weights)")
        for block in source.blocks
    ]
    if not any(re.search(r"\blayout\b", block) for block in blocks):
        return source, blocks, False
    source = extract([*roots, Layout, *others])
    return source, source.blocks, True


def _argument(hyperparameter: str) -> str:
    """What torch calls it."""
    return "lr" if hyperparameter == "learning_rate" else hyperparameter


def _hyperparameters(rule: Rule, total_steps: bool) -> dict[str, str]:
    """The lines of the class that name them."""
    defaults = {_argument(h.name): h.default for h in rule.hyperparameters}
    typed = [f"{name}: {type(value).__name__} = {value!r}" for name, value in defaults.items()]
    names = [*(["total_steps"] if total_steps else []), *defaults]
    parameters = ["self", "params: ParamsT", *(["total_steps: int"] if total_steps else []), *typed]
    return {
        "signature": bracketed("    def __init__(", parameters, ") -> None:"),
        "defaults": bracketed("        defaults = {", [f'"{n}": {n}' for n in names], "}"),
        "names": strings("        names = ", names),
    }
