"""What a job has found, ready to be shown: on its page, and in the report that opens without a network.

Both fill in the same templates (``templates/answer/``) with an `Answer`; nothing is computed there.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.answer.leaderboard import Standing, leaderboard
from service.answer.matrix import Matrix, matrix
from service.answer.rates import Rates, rates
from service.charts.budgets import budgets
from service.charts.frame import Figure
from service.charts.front import front
from service.charts.intervals import intervals
from service.charts.learning import curves, progress
from service.charts.parallel import parallel
from studies.report import Summary, TrialView
from studies.spec import StudySpec

__all__ = ["Answer", "Source", "Subject", "answer"]


@dataclass(frozen=True)
class Source:
    """The data that a job is about.

    Attributes:
        name: of the table.
        digest: SHA-256 of the table as it is stored.
        rows: of the table.
        snippet: the best configuration's optimizer and scheduler in Python; empty without one.
        script: a program that trains it; empty without one.
        has_model: whether the trained network can be taken along.
    """

    name: str
    digest: str
    rows: int
    snippet: str
    script: str
    has_model: bool


@dataclass(frozen=True)
class Subject:
    """What an answer is about.

    Attributes:
        job: its id.
        name: its label, if it has one.
        source: its data; None if its trials are trained elsewhere.
        spec: resolved.
        warnings: of the job.
        seconds: that it took so far.
        ended: whether it has.
        finished: when it ended; None if it has not.
        trials: at most some hundred of its trials, the best among them.
    """

    job: str
    name: str | None
    source: Source | None
    spec: StudySpec
    warnings: Sequence[str]
    seconds: float
    ended: bool
    finished: datetime | None
    trials: Sequence[TrialView]

    @property
    def title(self) -> str:
        """What people know it by."""
        return self.name or (self.source.name if self.source else "External job")


@dataclass(frozen=True)
class Answer:
    """All that is shown.

    Attributes:
        subject: what it is about.
        summary: what it rests on.
        standings: a row an optimizer, the best first.
        matrix: every optimizer against every other; None without a verdict on two.
        rates: what trials say about the learning rate of each optimizer, in the same order.
        figures: charts by name; those that there are no numbers for are left out.
    """

    subject: Subject
    summary: Summary
    standings: Sequence[Standing]
    matrix: Matrix | None
    rates: Sequence[Rates]
    figures: dict[str, Figure]

    @property
    def ended(self) -> int:
        """How many trials have."""
        return sum(n for outcome, n in self.summary.trials.items() if outcome != "running")

    @property
    def configuration(self) -> str:
        """The best one as JSON; there is one."""
        return json.dumps(self.summary.best and self.summary.best.config, indent=2)


def answer(subject: Subject, summary: Summary) -> Answer:
    """Put an answer together."""
    standings = leaderboard(summary)
    ranked = [each.optimizer for each in standings]
    return Answer(
        subject=subject,
        summary=summary,
        standings=standings,
        matrix=matrix(summary.verdict, ranked) if summary.verdict else None,
        rates=rates(summary, ranked),
        figures=_figures(subject, summary, ranked),
    )


def _figures(subject: Subject, summary: Summary, ranked: Sequence[str]) -> dict[str, Figure]:
    metric, optimizers = summary.metric, list(summary.sensitivity)
    maximize = summary.direction == "maximize"
    found: dict[str, Figure | None] = {
        "curves": curves(summary.curves, metric, optimizers, maximize=maximize),
        "progress": progress(
            summary.progress, metric, sum(summary.trials.values()), maximize=maximize
        ),
    }
    if summary.verdict is not None:
        found["intervals"] = intervals(summary.verdict.finalists, metric, optimizers)
        found["budgets"] = budgets(summary.verdict.curves, metric, optimizers, maximize=maximize)
    lines = parallel(subject.trials, metric, ranked, optimizers, maximize=maximize)
    found |= {f"parallel-{by}": figure for by, figure in lines.items()}
    costs = front(summary.pareto, subject.trials, metric, optimizers, maximize=maximize)
    found |= {f"front-{by}": figure for by, figure in costs.items()}
    return {name: figure for name, figure in found.items() if figure is not None}
