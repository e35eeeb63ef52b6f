"""Learning-rate schedules: closed forms over steps and trials at once, and one that watches."""

from optimizers.schedules.plateau import Plateau
from optimizers.schedules.registry import CLASSIC, SCHEDULES, find_schedule
from optimizers.schedules.schedule import WARMUP, Schedule, factors

__all__ = ["CLASSIC", "SCHEDULES", "WARMUP", "Plateau", "Schedule", "factors", "find_schedule"]
