"""The text of ``configure``: optimizer and scheduler of a model in one call."""

from optimizers.torch_export.formatting import bracketed, paragraph
from optimizers.torch_export.parts import Parts


def configure(parts: Parts, total_steps: int) -> str:
    """The function.

    Args:
        parts: the optimizer and the scheduler that it makes.
        total_steps: of the training that it assumes unless told otherwise.
    """
    asked = ", total_steps" if parts.total_steps else ""
    about = (
        "They belong together: the scheduler spans a whole training. Say how many steps that has; "
        f"left out, it is {total_steps}, as in the training that the configuration was found by."
    )
    return "\n".join(
        [
            bracketed(
                "def configure(",
                ["model: nn.Module", f"total_steps: int = {total_steps}"],
                f") -> tuple[{parts.optimizer}, {parts.scheduler}]:",
            ),
            '    """The optimizer and the scheduler of a model.',
            "",
            paragraph(about, "    "),
            '    """',
            f"    optimizer = make_optimizer(model{asked})",
            "    return optimizer, make_scheduler(optimizer, total_steps)",
        ]
    )
