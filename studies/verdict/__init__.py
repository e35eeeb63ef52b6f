"""From confirmation scores to an answer that can be trusted: `finalists`, then `judge`."""

from studies.verdict.evidence import Trial, finalists
from studies.verdict.judge import judge
from studies.verdict.models import BudgetCurve, Finalist, Pair, Verdict

__all__ = ["BudgetCurve", "Finalist", "Pair", "Trial", "Verdict", "finalists", "judge"]
