"""A configuration as plain PyTorch: the source of an optimizer and of its scheduler."""

from types import ModuleType

from optimizers.configuration import Configuration
from optimizers.torch_export.configure import configure
from optimizers.torch_export.header import header
from optimizers.torch_export.parts import Parts, export_parts, import_statements

__all__ = ["Parts", "export_parts", "import_statements", "load", "torch_export"]


def torch_export(configuration: Configuration, total_steps: int | None = None) -> str:
    """Python source that trains as the configuration does and needs torch alone.

    It defines ``make_optimizer(model)`` and ``make_scheduler(optimizer, total_steps)``, and says
    at its top how a training loop uses them. A rule that must know the length of the training
    takes it as well: ``make_optimizer(model, total_steps)``.

    Args:
        configuration: what to train with.
        total_steps: of the training that it was found by; if given, the source defines
            ``configure(model, total_steps)`` too, which returns both and assumes so many.

    Raises:
        InvalidProblem: a rule or schedule that does not stand in the package's source as
            functions at the top level of modules.
    """
    parts = export_parts(configuration)
    both = [] if total_steps is None else [configure(parts, total_steps)]
    body = "\n\n\n".join([*parts.blocks, *both])
    top = header(
        configuration, asks_for_total_steps=parts.total_steps, configures=total_steps is not None
    )
    gap = "\n\n\n" if body.startswith(("def ", "class ", "@")) else "\n\n"
    return f"{top}\n\n{import_statements(body, parts.imports)}{gap}{body}\n"


def load(source: str) -> ModuleType:
    """What an exported source defines, as a module of its own."""
    module = ModuleType("exported")
    exec(compile(source, module.__name__, "exec"), module.__dict__)  # noqa: S102  # our own text
    return module
