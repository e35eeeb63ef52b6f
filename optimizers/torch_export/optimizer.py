"""The text of ``make_optimizer``, and of what shapes gradients before each of its steps."""

from optimizers.configuration import Configuration
from optimizers.torch_export.formatting import call
from optimizers.torch_export.optimizer_class import OptimizerClass


def make_optimizer(optimizer: OptimizerClass, configuration: Configuration) -> list[str]:
    """The functions that make an optimizer of this class with these numbers."""
    limit = configuration.clip_norm
    l2 = 0.0 if optimizer.penalises else configuration.l2
    shaped = limit is not None or l2 > 0
    total_steps = ["total_steps=total_steps"] if optimizer.total_steps else []
    made = call(
        optimizer.name,
        ["model.parameters()", *total_steps],
        optimizer.arguments,
        "    optimizer = " if shaped else "    return ",
    )
    asked = ", total_steps: int" if optimizer.total_steps else ""
    maker = [
        f"def make_optimizer(model: nn.Module{asked}) -> {optimizer.name}:",
        '    """The optimizer; its scheduler sets its learning rate."""',
        made,
    ]
    if not shaped:
        return ["\n".join(maker)]
    maker += [
        "    optimizer.register_step_pre_hook(lambda *_: shape_gradients(model))",
        "    return optimizer",
    ]
    return [_shape_gradients(limit, l2), "\n".join(maker)]


def _shape_gradients(limit: float | None, l2: float) -> str:
    """What happens to gradients between backward() and step()."""
    clips = ["clip the gradient that backward() left"] if limit is not None else []
    adds = ["add an L2 penalty's slope"] if l2 else []
    lines = [
        *(["@torch.no_grad()"] if l2 else []),
        "def shape_gradients(model: nn.Module) -> None:",
        f'    """Before every step: {", then ".join([*clips, *adds])}."""',
    ]
    if limit is not None:
        lines.append(f"    nn.utils.clip_grad_norm_(model.parameters(), {limit!r})")
    if l2:
        lines += [
            "    for p in model.parameters():",
            "        if p.grad is not None:",
            f"            p.grad.add_(p, alpha={l2!r})",
        ]
    return "\n".join(lines)
