"""A job's report as one HTML file that opens anywhere, without a network.

Everything is inside, plotly's script too. Whatever users named is text: Jinja escapes it, none of it
is in a chart, and the page's policy lets no script run but its own two.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from optimizers.configuration import Batch
from service.report_page.charts import charts
from studies.report import OptimizerSummary, Report
from studies.spec import StudySpec

__all__ = ["Subject", "policy", "render"]


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes:
        job: its id.
        dataset: name of the table.
        digest: SHA-256 of the table as it is stored.
        rows: of the table.
        spec: resolved.
        warnings: of the job.
        seconds: that it took.
        finished: when it ended; None if it has not.
    """

    job: str
    dataset: str
    digest: str
    rows: int
    spec: StudySpec
    warnings: list[str]
    seconds: float
    finished: datetime | None


def render(subject: Subject, report: Report) -> str:
    """The page.

    Args:
        subject: what it is about.
        report: what it says.
    """
    finalists = {each.number: each for each in report.verdict.finalists} if report.verdict else {}
    share = report.metric == "accuracy"
    return (
        _environment()
        .get_template("report.html")
        .render(
            subject=subject,
            report=report,
            ranking=_ranking(report),
            finalists=finalists,
            finalist=finalists.get(report.best.number) if report.best else None,
            figures={name: json.loads(each.to_json()) for name, each in charts(report).items()},
            ended=sum(count for outcome, count in report.trials.items() if outcome != "running"),
            score=lambda value: f"{value:.2%}" if share else f"{value:.4g}",
            rate=lambda value: "–" if value is None else f"{value:.2g}",
            batch=_batch,
            version=version("fallline"),
            policy=policy(),
            scripts=_scripts(),
        )
    )


@cache
def policy() -> str:
    """The page's Content-Security-Policy: its own two scripts, and nothing from anywhere else."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _scripts())
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"
    )


@cache
def _scripts() -> tuple[str, str]:
    """Plotly's script, and the one that draws the figures."""
    own = resources.files("service.report_page").joinpath("draw.js").read_text(encoding="utf-8")
    return get_plotlyjs(), own


@cache
def _environment() -> Environment:
    loader = PackageLoader("service.report_page", "")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def _ranking(report: Report) -> list[OptimizerSummary]:
    """Optimizers that nobody beats by their test score, then the others; untested ones last."""
    if report.verdict is None:
        return report.optimizers
    tested = {each.number: each.mean for each in report.verdict.finalists}
    leading = report.verdict.leading
    sign = -1 if report.direction == "maximize" else 1

    def place(row: OptimizerSummary) -> tuple[bool, bool, float]:
        mean = tested.get(row.best.number) if row.best else None
        return mean is None, row.optimizer not in leading, sign * (mean or 0.0)

    return sorted(report.optimizers, key=place)


def _batch(batch: Batch) -> str:
    """What a step looks at, in words."""
    words = {"full": "all rows in every step", "single": "single rows"}
    return words.get(str(batch), f"batches of {batch} rows")
