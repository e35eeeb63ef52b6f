"""What a job says about how quick its optimizers are."""

from typing import Any

from sqlalchemy import Connection, Row

from service import trials
from studies.profile import Workload
from studies.report import Summary


def workload(connection: Connection, job: Row[Any], summary: Summary) -> Workload | None:
    """The same for `studies.profile`; None where nothing was trained to the end.

    Args:
        connection: an open connection.
        job: its row.
        summary: of its trials.
    """
    if summary.best is None:
        return None
    best = trials.read(connection, job.study_id, numbers=[summary.best.number])
    # All trials of a study start from the same weights.
    untrained = next((t.user_attrs["untrained"] for t in best if "untrained" in t.user_attrs), None)
    if untrained is None:
        return None
    took_part = [each.optimizer for each in summary.optimizers if each.trials]
    curves = {name: summary.curves.get(name, {}) for name in sorted(took_part)}
    return Workload(curves, untrained, summary.direction == "maximize")
