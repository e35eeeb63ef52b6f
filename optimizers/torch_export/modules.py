"""What stands at the top level of this package's modules, as text."""

import ast
import inspect
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module

Import = tuple[str, str | None]
"""A module, and the name taken from it; None for the module itself."""


@dataclass(frozen=True)
class Definition:
    """A function, a class or a constant.

    Attributes:
        node: what it is.
        lines: its text: decorators, comments and a constant's docstring included.
        first: the number of the first of them in the file.
        methods: what a class may do without, by name: with the lines to leave out then.
    """

    node: ast.stmt
    lines: list[str]
    first: int
    methods: dict[str, tuple[ast.stmt, range]] = field(default_factory=dict)

    def text(self, left_out: Container[str]) -> str:
        """Its text without some methods."""
        gone = {
            line for name, (_, lines) in self.methods.items() if name in left_out for line in lines
        }
        return "\n".join(
            line for number, line in enumerate(self.lines, self.first) if number not in gone
        )

    def references(self, left_out: Container[str]) -> Iterator[ast.Name | ast.Attribute]:
        """What it names, likewise, in the order of the text."""
        return _references(
            self.node, [node for name, (node, _) in self.methods.items() if name in left_out]
        )


@dataclass(frozen=True)
class Module:
    """The names at the top level of a module."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)


@cache
def read(name: str) -> Module:
    """The module of that name."""
    text, module = inspect.getsource(import_module(name)), Module()
    lines, statements = text.splitlines(), ast.parse(text).body
    for node, after in zip(statements, [*statements[1:], None], strict=True):
        match node:
            case ast.FunctionDef(name=defined) | ast.ClassDef(name=defined):
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                last = _last_line(node)
            case ast.Assign(targets=[ast.Name(id=defined)]):
                docstring = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                first, last = node.lineno, _last_line(after if docstring and after else node)
            case ast.Import(names=aliases):
                module.imports.update({alias.name: (alias.name, None) for alias in aliases})
                continue
            case ast.ImportFrom(module=str(origin), names=aliases):
                module.imports.update({alias.name: (origin, alias.name) for alias in aliases})
                continue
            case _:
                continue
        methods = _methods(node, module) if isinstance(node, ast.ClassDef) else {}
        module.definitions[defined] = Definition(node, lines[first - 1 : last], first, methods)
    return module


def _methods(node: ast.ClassDef, module: Module) -> dict[str, tuple[ast.stmt, range]]:
    """The methods that nobody calls but by name, as a base class from elsewhere might."""
    if not all(isinstance(b, ast.Name) and b.id in module.definitions for b in node.bases):
        return {}
    return {
        member.name: (member, range(_last_line(previous) + 1, _last_line(member) + 1))
        for previous, member in zip(node.body, node.body[1:], strict=False)
        if isinstance(member, ast.FunctionDef) and not member.name.startswith("__")
    }


def _references(node: ast.AST, left_out: list[ast.stmt]) -> Iterator[ast.Name | ast.Attribute]:
    for child in ast.iter_child_nodes(node):
        if child not in left_out:
            if isinstance(child, ast.Name | ast.Attribute) and isinstance(child.ctx, ast.Load):
                yield child
            yield from _references(child, left_out)


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno
