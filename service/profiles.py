"""Which optimizers are quick across an owner's jobs."""

from sqlalchemy import Connection

from service import jobs, trials
from studies.profile import Profile, Workload, profile
from studies.report import leaders
from studies.spec import StudySpec


def across(connection: Connection, owner: str, limit: int) -> Profile:
    """How often each optimizer was how quick to its study's target.

    Args:
        connection: an open connection.
        owner: of the jobs.
        limit: so many of the completed ones, the newest.
    """
    rows, _ = jobs.page(connection, owner, jobs.Filter(["completed"]), limit=limit)
    found = []
    for row in rows:
        spec = StudySpec.model_validate(row.spec)
        every = trials.read(connection, row.study_id)
        numbers = list(leaders(spec, every).values())
        led = trials.read(connection, row.study_id, intermediate=True, numbers=numbers)
        curves = {trial.params["optimizer"]: trial.intermediate_values for trial in led}
        starts = (t.user_attrs["untrained"] for t in every if "untrained" in t.user_attrs)
        # All trials of a study start from the same weights.
        if (untrained := next(starts, None)) is not None:
            took_part = {trial.params["optimizer"] for trial in every}
            every_curve = {name: curves.get(name, {}) for name in sorted(took_part)}
            found.append(Workload(every_curve, untrained, spec.goal.maximized))
    return profile(found)
