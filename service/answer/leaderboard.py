"""Optimizers in their order: those that nobody beats by their test score, then the others."""

from dataclasses import dataclass

from studies.report import OptimizerSummary, Summary
from studies.verdict import Finalist


@dataclass(frozen=True)
class Standing:
    """One optimizer.

    Attributes:
        row: what its trials came to.
        finalist: its best configuration from fresh seeds; None if it was not confirmed.
        leads: whether nobody beats it.
    """

    row: OptimizerSummary
    finalist: Finalist | None
    leads: bool

    @property
    def optimizer(self) -> str:
        """Its name."""
        return self.row.optimizer


def leaderboard(summary: Summary) -> list[Standing]:
    """The rows, best first; before a confirmation by validation, after it untested ones last."""
    verdict = summary.verdict
    if verdict is None:
        return [Standing(row, None, leads=False) for row in summary.optimizers]
    tested = {each.number: each for each in verdict.finalists}
    standings = [
        Standing(
            row,
            tested.get(row.best.number) if row.best else None,
            leads=row.optimizer in verdict.leading,
        )
        for row in summary.optimizers
    ]
    sign = -1 if summary.direction == "maximize" else 1

    def place(each: Standing) -> tuple[bool, bool, float]:
        mean = each.finalist.mean if each.finalist else 0.0
        return each.finalist is None, not each.leads, sign * mean

    return sorted(standings, key=place)
