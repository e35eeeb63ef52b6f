"""A configuration as plain PyTorch: the source of an optimizer and of its scheduler."""

import ast
import sys
from collections.abc import Mapping
from types import ModuleType

from optimizers.configuration import Configuration
from optimizers.torch_export.emitted import emitted
from optimizers.torch_export.header import header
from optimizers.torch_export.modules import Import
from optimizers.torch_export.native import native
from optimizers.torch_export.optimizer import make_optimizer
from optimizers.torch_export.scheduler import scheduler

__all__ = ["load", "torch_export"]

_IMPORTS: dict[str, Import] = {
    "Any": ("typing", "Any"),
    "Callable": ("collections.abc", "Callable"),
    "Iterable": ("collections.abc", "Iterable"),
    "LambdaLR": ("torch.optim.lr_scheduler", "LambdaLR"),
    "Optimizer": ("torch.optim", "Optimizer"),
    "ParamsT": ("torch.optim.optimizer", "ParamsT"),
    "ReduceLROnPlateau": ("torch.optim.lr_scheduler", "ReduceLROnPlateau"),
    "SimpleNamespace": ("types", "SimpleNamespace"),
    "Tensor": ("torch", "Tensor"),
    "math": ("math", None),
    "nn": ("torch", "nn"),
    "torch": ("torch", None),
}
"""Where what the texts of this package name comes from."""


def torch_export(configuration: Configuration) -> str:
    """Python source that trains as the configuration does and needs torch alone.

    It defines ``make_optimizer(model)`` and ``make_scheduler(optimizer, total_steps)``, and says
    at its top how a training loop uses them. A rule that must know the length of the training
    takes it as well: ``make_optimizer(model, total_steps)``.

    Raises:
        InvalidProblem: a rule or schedule that does not stand in the package's source as
            functions at the top level of modules.
    """
    optimizer = native(configuration) or emitted(configuration)
    schedule = scheduler(configuration)
    blocks = [
        *optimizer.blocks,
        *schedule.source.blocks,
        *make_optimizer(optimizer, configuration),
        schedule.maker,
    ]
    body = "\n\n\n".join(blocks)
    known = {**_IMPORTS, **optimizer.imports, **schedule.source.imports}
    top = header(configuration, asks_for_total_steps=optimizer.total_steps)
    gap = "\n\n\n" if body.startswith(("def ", "class ", "@")) else "\n\n"
    return f"{top}\n\n{_imports(body, known)}{gap}{body}\n"


def load(source: str) -> ModuleType:
    """What an exported source defines, as a module of its own."""
    module = ModuleType("exported")
    exec(compile(source, module.__name__, "exec"), module.__dict__)  # noqa: S102  # our own text
    return module


def _imports(body: str, known: Mapping[str, Import]) -> str:
    """The import statements for the names that a text uses, the standard library's first."""
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    taken = [known[name] for name in known if name in used]
    sections = []
    for standard in (True, False):
        ours = [i for i in taken if (i[0].partition(".")[0] in sys.stdlib_module_names) == standard]
        lines = sorted(f"import {module}" for module, name in ours if name is None)
        for module in sorted({module for module, name in ours if name is not None}):
            names = sorted(name for origin, name in ours if origin == module and name is not None)
            lines.append(f"from {module} import {', '.join(names)}")
        if lines:
            sections.append("\n".join(lines))
    return "\n\n".join(sections)
