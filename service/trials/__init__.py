"""Trials in Optuna's own tables, written and read a wave at a time.

Optuna's storage sends one transaction per call, about a hundred for a wave; here a wave is
a few statements inside a transaction that the caller opened. Nothing in this package commits:
the trials of a wave and the progress of its job land together or not at all.

What is written is, column by column, what Optuna would have written for the same trials, so
`optuna.load_study` and optuna-dashboard read the same rows. Times inside a `FrozenTrial` follow
Optuna's convention: aware, or naive in local time; the columns hold naive UTC.
"""

from service.trials.outlines import Outline, curves, outlines
from service.trials.paging import Sort, page
from service.trials.reading import best, counts, ended, latest, read, running, since
from service.trials.reporting import at_step, forget_reports, report
from service.trials.writing import create_study, delete_study, finish, insert_running, stop

__all__ = [
    "Outline",
    "Sort",
    "at_step",
    "best",
    "counts",
    "create_study",
    "curves",
    "delete_study",
    "ended",
    "finish",
    "forget_reports",
    "insert_running",
    "latest",
    "outlines",
    "page",
    "read",
    "report",
    "running",
    "since",
    "stop",
]
