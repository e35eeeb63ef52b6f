"""From confirmation scores to an answer that can be trusted: `finalists`, then `judge`."""

from studies.verdict.evidence import FINALISTS, Trial, finalists
from studies.verdict.judge import judge
from studies.verdict.models import About, BudgetCurve, Direction, Finalist, Pair, Verdict

__all__ = [
    "FINALISTS",
    "About",
    "BudgetCurve",
    "Direction",
    "Finalist",
    "Pair",
    "Trial",
    "Verdict",
    "finalists",
    "judge",
]
