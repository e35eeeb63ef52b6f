"""What an exported optimizer is made of, torch's own or one that is emitted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from optimizers.torch_export.modules import Import


@dataclass(frozen=True)
class OptimizerClass:
    """A class, and the numbers to make one with.

    Attributes:
        name: as the source calls it.
        arguments: besides the parameters.
        total_steps: whether it asks for the length of the training, too.
        penalises: whether it adds the slope of an L2 penalty by itself.
        blocks: its definition and what that needs; none if it is torch's.
        imports: what those take from elsewhere.
    """

    name: str
    arguments: Mapping[str, object]
    total_steps: bool = False
    penalises: bool = False
    blocks: tuple[str, ...] = ()
    imports: Mapping[str, Import] = field(default_factory=dict)
