"""The source text of functions, and of all that they need of this package, as one text.

What a function needs is found by name, from definition to definition. Methods that nothing calls
are left out. What a rule borrows from another, as in ``ADAM.coefficients(t, h)``, becomes a call
of the function itself.
"""

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from optimizers.errors import InvalidProblem
from optimizers.rule import Rule
from optimizers.torch_export.formatting import strings
from optimizers.torch_export.modules import Import, read

Root = Callable[..., Any] | Rule
"""A function or a class; a rule stands for the function that makes its first state."""

_PACKAGE = __name__.partition(".")[0]


@dataclass
class Source:
    """Definitions, each after those that it needs.

    Attributes:
        ignored: names of the package that they do without.
        called: what may be a method's name; all other methods are left out.
        imports: what they take from elsewhere, by name.
        attributes: every name that they write after a dot.
    """

    ignored: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    imports: dict[str, Import] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    _constants: dict[str, str] = field(default_factory=dict)
    _others: dict[str, str] = field(default_factory=dict)
    _origins: dict[str, str] = field(default_factory=dict)

    @property
    def blocks(self) -> list[str]:
        """The constants together, then every function and class."""
        constants = ["\n\n".join(self._constants.values())] if self._constants else []
        return [*constants, *self._others.values()]

    def add(self, root: Root) -> str:
        """Take in what is not there yet; the root's name in the text.

        Raises:
            InvalidProblem: it has no text of its own, being made inside a function, or something
                else has its name.
        """
        if isinstance(root, Rule):
            return self.add(root.start) if root.start is not None else self._zeros(root)
        module, name = root.__module__, root.__qualname__
        if getattr(import_module(module), name, None) is not root:
            raise InvalidProblem("optimizer", name, "made of functions at the top level of modules")
        self._define(module, name)
        return name

    def _zeros(self, rule: Rule) -> str:
        """The start of a rule that has none of its own; see `Rule.initial_state`."""
        name = f"_{rule.name}_start"
        if not self._claim(name, rule.name):
            return name
        for needed in ("torch", "Tensor", "Layout", "State"):
            self._need(Rule.__module__, needed)
        lines = [
            f"def {name}(weights: Tensor, layout: Layout) -> State:",
            strings("    names = ", rule.state),
            "    return {name: torch.zeros_like(weights) for name in names}",
        ]
        self._others[name] = "\n".join(lines)
        return name

    def _need(self, module: str, name: str) -> bool:
        """Take in what a module means by a name; whether that may stand before all functions."""
        known = read(module)
        if name in known.definitions and name not in self.ignored:
            self._define(module, name)
            return name in self._constants
        if name in known.imports:
            origin, original = known.imports[name]
            if origin.partition(".")[0] == _PACKAGE and original is not None:
                return self._need(origin, original)
            self.imports[name] = origin, original
        return True

    def _claim(self, name: str, origin: str) -> bool:
        """Whether this is the first time that something is to have this name."""
        first = name not in self._origins
        if self._origins.setdefault(name, origin) != origin:
            both = [self._origins[name], origin]
            raise InvalidProblem(f"definitions of {name}", both, "one and the same")
        return first

    def _define(self, module: str, name: str) -> None:
        if not self._claim(name, module):
            return
        definition, values = read(module).definitions[name], vars(import_module(module))
        left_out = definition.methods.keys() - self.called
        text, early = definition.text(left_out), isinstance(definition.node, ast.Assign)
        for reference in definition.references(left_out):
            match reference:
                case ast.Name(id=needed) if not isinstance(values.get(needed), Rule):
                    early &= self._need(module, needed)
                case ast.Attribute(value=ast.Name(id=owner), attr=part) if isinstance(
                    rule := values.get(owner), Rule
                ):
                    found = self.add(rule if part == "initial_state" else getattr(rule, part))
                    text = re.sub(rf"\b{owner}\.{part}\b", found, text)
                case ast.Attribute(attr=part):
                    self.attributes.add(part)
        (self._constants if early else self._others)[name] = text


def extract(roots: Iterable[Root], ignored: Iterable[str] = ()) -> Source:
    """The text of functions, classes and starts of rules, and of what they need.

    Raises:
        InvalidProblem: one has no text of its own, or two things have the same name.
    """
    roots, source = list(roots), Source(frozenset(ignored))
    while True:
        for root in roots:
            source.add(root)
        if source.attributes <= source.called:
            return source
        # Methods that were left out turned out to be called, and may call others.
        source = Source(source.ignored, frozenset(source.attributes))
