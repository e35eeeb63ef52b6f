"""The parts of an exported source, for whoever builds a longer one around them."""

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from optimizers.configuration import Configuration
from optimizers.torch_export.emitted import emitted
from optimizers.torch_export.modules import Import
from optimizers.torch_export.native import native
from optimizers.torch_export.optimizer import make_optimizer
from optimizers.torch_export.scheduler import scheduler

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


@dataclass(frozen=True)
class Parts:
    """An optimizer and a scheduler as text.

    Attributes:
        optimizer: the class of the one, as the text calls it.
        scheduler: the class of the other.
        blocks: definitions; the last are ``make_optimizer`` and ``make_scheduler``.
        imports: where the names that they use come from.
        total_steps: whether ``make_optimizer`` asks for the length of the training.
    """

    optimizer: str
    scheduler: str
    blocks: tuple[str, ...]
    imports: Mapping[str, Import]
    total_steps: bool


def export_parts(configuration: Configuration) -> Parts:
    """What `torch_export` puts together.

    Raises:
        InvalidProblem: as `torch_export`.
    """
    optimizer = native(configuration) or emitted(configuration)
    schedule = scheduler(configuration)
    return Parts(
        optimizer.name,
        schedule.name,
        (
            *optimizer.blocks,
            *schedule.source.blocks,
            *make_optimizer(optimizer, configuration),
            schedule.maker,
        ),
        {**_IMPORTS, **optimizer.imports, **schedule.source.imports},
        optimizer.total_steps,
    )


def import_statements(body: str, known: Mapping[str, Import]) -> str:
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
