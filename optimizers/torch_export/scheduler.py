"""A schedule as the text of a torch scheduler."""

import math
from dataclasses import dataclass
from inspect import signature

from optimizers.configuration import Configuration
from optimizers.errors import InvalidProblem
from optimizers.schedules import find_schedule
from optimizers.torch_export.factors import FACTORS, WarmUpThenPlateau, constant
from optimizers.torch_export.formatting import call
from optimizers.torch_export.source import Source, extract


@dataclass(frozen=True)
class Scheduler:
    """The text of ``make_scheduler``.

    Attributes:
        name: the class of what it makes.
        source: what it needs.
        maker: the function.
    """

    name: str
    source: Source
    maker: str


def scheduler(configuration: Configuration) -> Scheduler:
    """What sets an exported optimizer's learning rate.

    Raises:
        InvalidProblem: nobody wrote the schedule down over plain numbers.
    """
    schedule = find_schedule(configuration.schedule)
    if schedule.watches:
        return _plateau(configuration)
    if schedule.name not in FACTORS:
        raise InvalidProblem("schedule", schedule.name, list(FACTORS))
    factor = FACTORS[schedule.name]
    h = {**configuration.schedule_hyperparameters}
    warmup = h.pop("warmup")
    maker = [
        "def make_scheduler(optimizer: Optimizer, total_steps: int) -> LambdaLR:",
        '    """Its step() comes after every step of the optimizer."""',
        *_warm_up(warmup),
    ]
    rise = "min((t + 1) / max(warm, 1), 1.0)"
    if factor is constant:
        maker.append(f"    return LambdaLR(optimizer, lambda t: {rise if warmup else '1.0'})")
        return Scheduler("LambdaLR", extract([]), "\n".join(maker))
    if warmup:
        maker.append("    left = max(total_steps - warm, 1)")
    left = "left" if warmup else "total_steps"
    arguments = [f"steps={left}"] if "steps" in signature(factor).parameters else []
    start = "        return rise * " if warmup else "        return "
    maker += [
        "",
        "    def factor(t: int) -> float:",
        *([f"        rise = {rise}"] if warmup else []),
        f"        progress = min({'max(t - warm, 0)' if warmup else 't'} / {left}, 1.0)",
        call(factor.__name__, ["progress", *arguments], h, start),
        "",
        "    return LambdaLR(optimizer, factor)",
    ]
    return Scheduler("LambdaLR", extract([factor]), "\n".join(maker))


def _warm_up(warmup: float) -> list[str]:
    """How long it takes, unless there is none."""
    line = f"    warm = math.floor({warmup!r} * total_steps + 1e-9)  # 0.29 * 100 is 28.999..."
    return [line] if warmup else []


def _plateau(configuration: Configuration) -> Scheduler:
    """What watches the validation loss: torch's class, or that class after warm-up."""
    h = configuration.schedule_hyperparameters
    arguments = {
        "factor": min(h["gamma"], math.nextafter(1.0, 0.0)),  # torch takes no 1
        "patience": h["patience"],
        "threshold": h["threshold"],
        "cooldown": h["cooldown"],
        "min_lr": h["final"] * configuration.hyperparameters["learning_rate"],
    }
    name = WarmUpThenPlateau.__name__ if h["warmup"] else "ReduceLROnPlateau"
    maker = [
        f"def make_scheduler(optimizer: Optimizer, total_steps: int) -> {name}:",
        '    """Its step(validation_loss) comes after every epoch."""',
        *_warm_up(h["warmup"]),
        call(name, ["optimizer", *(["warm"] if h["warmup"] else [])], arguments, "    return "),
    ]
    source = extract([WarmUpThenPlateau] if h["warmup"] else [])
    return Scheduler(name, source, "\n".join(maker))
