"""Every schedule over plain numbers: the factor of one step, as a loop of one training asks for it.

Progress runs from 0 to 1 over the steps after warm-up.
"""

import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from optimizers.schedules.schedule import ROUNDING


def constant(progress: float) -> float:
    """The peak throughout."""
    return 1.0


def linear(progress: float, final: float) -> float:
    """Falls in a straight line."""
    return 1 - (1 - final) * progress


def step(progress: float, gamma: float, drops: int) -> float:
    """Drops by a factor at evenly spaced moments."""
    return math.pow(gamma, math.floor(progress * (drops + 1) + ROUNDING))


def multi_step(progress: float, gamma: float, first: float, second: float, third: float) -> float:
    """Drops by a factor at chosen moments."""
    return math.pow(gamma, sum(progress + ROUNDING >= at for at in (first, second, third)))


def exponential(progress: float, final: float) -> float:
    """Falls by the same factor at every step."""
    return math.pow(final, progress)


def inverse_time(progress: float, decay: float, power: float) -> float:
    """Falls with the inverse of the time passed."""
    return math.pow(1 + decay * progress, -power)


def inverse_sqrt(progress: float, timescale: float) -> float:
    """Falls with the inverse square root of the time passed."""
    return 1 / math.sqrt(1 + progress / timescale)


def polynomial(progress: float, power: float, final: float, until: float) -> float:
    """Falls along a power of what is left."""
    left = 1 - min(progress / until, 1)
    return final + (1 - final) * math.pow(left, power)


def cosine(progress: float, final: float) -> float:
    """Falls along half a cosine."""
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def rex(progress: float, final: float) -> float:
    """Falls ever faster towards the end."""
    return final + (1 - final) * (1 - progress) / (1 - progress / 2)


def warmup_stable_decay(progress: float, cooldown: float, power: float, final: float) -> float:
    """Stays at the peak and cools down over the last share of the steps."""
    cooled = (progress - (1 - cooldown)) / cooldown
    # A root would blow up what rounding leaves of a zero.
    cooled = cooled if cooled > ROUNDING else 0.0
    return final + (1 - final) * (1 - math.pow(cooled, power))


def cosine_restarts(progress: float, cycles: int, growth: int, final: float) -> float:
    """Falls along half a cosine again and again, each time ``growth`` times as long."""
    if growth == 1:
        passed = progress * cycles
        cycle = math.floor(passed + ROUNDING)
        inside = passed - cycle
    else:  # in lengths of the first cycle
        passed = progress * (growth**cycles - 1) / (growth - 1)
        cycle = math.floor(math.log(passed * (growth - 1) + 1) / math.log(growth) + ROUNDING)
        inside = (passed - (growth**cycle - 1) / (growth - 1)) / growth**cycle
    inside = min(max(inside, 0.0), 1.0)
    return final + (1 - final) * (1 + math.cos(math.pi * inside)) / 2


def one_cycle(progress: float, steps: int, rise: float, start: float, final: float) -> float:
    """Rises to the peak and falls far below where it began; takes so many steps."""
    done, top = progress * steps, rise * steps - 1
    if done < top:
        return 1 + (start - 1) * (1 + math.cos(math.pi * done / top)) / 2
    fallen = min((done - top) / max(steps - 1 - top, ROUNDING), 1.0)
    return final + (1 - final) * (1 + math.cos(math.pi * fallen)) / 2


def slanted_triangular(progress: float, rise: float, start: float) -> float:
    """Rises quickly and falls slowly, both in straight lines."""
    height = progress / rise if progress < rise else (1 - progress) / (1 - rise)
    return start + (1 - start) * height


def cyclic(progress: float, base: float, cycles: int, gamma: float) -> float:
    """Rises and falls in straight lines, again and again."""
    passed = progress * cycles
    cycle = math.floor(passed + ROUNDING)
    height = max(1 - abs(2 * (passed - cycle) - 1), 0.0)
    return base + (1 - base) * height * math.pow(gamma, cycle)


class WarmUpThenPlateau(ReduceLROnPlateau):
    """Raises the learning rate over the first steps that the optimizer takes, then watches losses.

    Losses of epochs that end before the warm-up does count for nothing.
    """

    def __init__(self, optimizer: Optimizer, warm: int, **arguments: Any) -> None:
        super().__init__(optimizer, **arguments)
        self.warm, self.done = warm, 0
        self.peaks = [group["lr"] for group in optimizer.param_groups]
        self._rise()
        optimizer.register_step_post_hook(self._count)

    def _rise(self) -> None:
        if self.done < self.warm:
            for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
                group["lr"] = peak * (self.done + 1) / self.warm

    def _count(self, *_: object) -> None:
        self.done += 1
        self._rise()

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take in an epoch's validation loss."""
        if self.done > self.warm:
            super().step(metrics, epoch)


FACTORS: dict[str, Callable[..., float]] = {
    factor.__name__: factor
    for factor in (
        constant,
        linear,
        step,
        multi_step,
        exponential,
        inverse_time,
        inverse_sqrt,
        polynomial,
        cosine,
        rex,
        warmup_stable_decay,
        cosine_restarts,
        one_cycle,
        slanted_triangular,
        cyclic,
    )
}
