"""What trials say about each optimizer's learning rate, with a chart of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.charts.frame import Figure
from service.charts.learning_rates import learning_rates, score_axis
from studies.report import Summary
from studies.sensitivity import Sensitivity


@dataclass(frozen=True)
class Rates:
    """One optimizer.

    Attributes:
        optimizer: its name.
        said: about its learning rate.
        figure: the same as a chart; None where no rate was searched, or nothing has a score yet.
    """

    optimizer: str
    said: Sensitivity
    figure: Figure | None


def rates(summary: Summary, ranked: Sequence[str]) -> list[Rates]:
    """One an optimizer, in this order."""
    scores = score_axis(summary.sensitivity, maximize=summary.direction == "maximize")
    best = {each.optimizer: each.best.number for each in summary.optimizers if each.best}
    found = []
    for name in ranked:
        said = summary.sensitivity[name]
        figure = scores and learning_rates(
            name,
            said,
            scores,
            metric=summary.metric,
            best=best.get(name),
            optimizers=list(summary.sensitivity),
        )
        found.append(Rates(name, said, figure))
    return found
