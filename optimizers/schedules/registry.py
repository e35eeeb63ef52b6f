"""Every schedule by name: the one list that the search space, the catalogue and the tests read."""

from optimizers.errors import UnknownName
from optimizers.schedules import cycles, decays, plateau
from optimizers.schedules.schedule import Schedule

SCHEDULES: dict[str, Schedule] = {
    schedule.name: schedule
    for schedule in (
        decays.CONSTANT,
        decays.LINEAR,
        decays.STEP,
        decays.MULTI_STEP,
        decays.EXPONENTIAL,
        decays.INVERSE_TIME,
        decays.INVERSE_SQRT,
        decays.POLYNOMIAL,
        decays.COSINE,
        decays.REX,
        decays.WARMUP_STABLE_DECAY,
        cycles.COSINE_RESTARTS,
        cycles.ONE_CYCLE,
        cycles.SLANTED_TRIANGULAR,
        cycles.CYCLIC,
        plateau.PLATEAU,
    )
}

CLASSIC = ("constant", "linear", "step", "exponential", "cosine")
"""The schedules that every textbook names."""


def find_schedule(name: str) -> Schedule:
    """The schedule of that name.

    Raises:
        UnknownName: there is none; the message offers the nearest names.
    """
    if name not in SCHEDULES:
        raise UnknownName("schedule", name, SCHEDULES)
    return SCHEDULES[name]
