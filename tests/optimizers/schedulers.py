"""torch's own scheduler for each schedule; `LambdaLR` of a reference where torch has none."""

from collections.abc import Callable, Mapping

from torch.optim import Optimizer, lr_scheduler

from tests.references.schedules import FACTORS

Make = Callable[[Optimizer, float, int, Mapping[str, float]], lr_scheduler.LRScheduler]
"""``make(optimizer, peak, steps, h)``: without warm-up. Tests choose numbers that divide."""


def _restarts(
    optimizer: Optimizer, peak: float, steps: int, h: Mapping[str, float]
) -> lr_scheduler.LRScheduler:
    growth, cycles = int(h["growth"]), int(h["cycles"])
    first, over = divmod(steps, sum(growth**cycle for cycle in range(cycles)))
    assert over == 0
    return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, first, growth, h["final"] * peak)


def _polynomial(
    optimizer: Optimizer, peak: float, steps: int, h: Mapping[str, float]
) -> lr_scheduler.LRScheduler:
    if h["final"] > 0:  # torch's falls to zero
        return _reference("polynomial")(optimizer, peak, steps, h)
    return lr_scheduler.PolynomialLR(optimizer, round(h["until"] * steps), h["power"])


def _reference(name: str) -> Make:
    return lambda optimizer, _, steps, h: lr_scheduler.LambdaLR(
        optimizer, lambda t: FACTORS[name](t, steps, h)
    )


SCHEDULERS: dict[str, Make] = {
    "constant": lambda o, _peak, _steps, h: lr_scheduler.ConstantLR(o, factor=1.0),
    "linear": lambda o, _, steps, h: lr_scheduler.LinearLR(o, 1.0, h["final"], total_iters=steps),
    "step": lambda o, _, steps, h: lr_scheduler.StepLR(
        o, steps // (round(h["drops"]) + 1), h["gamma"]
    ),
    "multi_step": lambda o, _, steps, h: lr_scheduler.MultiStepLR(
        o, [round(h[name] * steps) for name in ("first", "second", "third")], h["gamma"]
    ),
    "exponential": lambda o, _, steps, h: lr_scheduler.ExponentialLR(o, h["final"] ** (1 / steps)),
    "inverse_time": _reference("inverse_time"),
    "inverse_sqrt": _reference("inverse_sqrt"),
    "polynomial": _polynomial,
    "cosine": lambda o, peak, steps, h: lr_scheduler.CosineAnnealingLR(
        o, steps, eta_min=h["final"] * peak
    ),
    "rex": _reference("rex"),
    "warmup_stable_decay": _reference("warmup_stable_decay"),
    "cosine_restarts": _restarts,
    "one_cycle": lambda o, peak, steps, h: lr_scheduler.OneCycleLR(
        o,
        peak,
        total_steps=steps,
        pct_start=h["rise"],
        div_factor=1 / h["start"],
        final_div_factor=h["start"] / h["final"],
        cycle_momentum=False,
    ),
    "slanted_triangular": _reference("slanted_triangular"),
    "cyclic": lambda o, peak, steps, h: lr_scheduler.CyclicLR(
        o,
        h["base"] * peak,
        peak,
        step_size_up=steps / (2 * h["cycles"]),  # type: ignore[arg-type]  # it takes floats
        scale_fn=lambda cycle: h["gamma"] ** (cycle - 1),
        scale_mode="cycle",
        cycle_momentum=False,
    ),
    # What it does between epochs is up to `watcher`.
    "plateau": lambda o, _peak, _steps, h: lr_scheduler.ConstantLR(o, factor=1.0),
}


def warm_steps(h: Mapping[str, float], total: int) -> int:
    """How long the warm-up lasts."""
    return int(h["warmup"] * total + 1e-9)


def scheduler(
    schedule: str, h: Mapping[str, float], optimizer: Optimizer, total: int
) -> lr_scheduler.LRScheduler:
    """torch's own scheduler for one of ours, over so many steps, warm-up included."""
    warm, peak = warm_steps(h, total), optimizer.param_groups[0]["lr"]
    after = SCHEDULERS[schedule](optimizer, peak, total - warm, h)
    if not warm:
        return after
    # It rises to where the schedule begins; for most that is the peak.
    group = optimizer.param_groups[0]
    begin = min(group["lr"] / group["initial_lr"], 1.0)
    rise = lr_scheduler.LinearLR(optimizer, begin / warm, begin, total_iters=max(warm - 1, 1))
    return lr_scheduler.SequentialLR(optimizer, [rise, after], milestones=[warm])


def watcher(
    schedule: str, h: Mapping[str, float], optimizer: Optimizer
) -> lr_scheduler.ReduceLROnPlateau | None:
    """What steps after every epoch with its validation loss, once warm-up is over."""
    if schedule != "plateau":
        return None
    return lr_scheduler.ReduceLROnPlateau(
        optimizer,
        factor=h["gamma"],
        patience=int(h["patience"]),
        threshold=h["threshold"],
        cooldown=int(h["cooldown"]),
        min_lr=h["final"] * optimizer.param_groups[0]["lr"],
    )
