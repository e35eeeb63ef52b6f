"""Schedules that torch lacks, as printed: the factor of one step, in plain floats.

``factor(t, steps, h)``: t counts from 0 after warm-up, of so many steps.
"""

from collections.abc import Callable, Mapping
from math import sqrt

Factor = Callable[[int, int, Mapping[str, float]], float]


def inverse_time(t: int, steps: int, h: Mapping[str, float]) -> float:
    """Bottou 2012, section 5.2: gamma_t = gamma_0 / (1 + gamma_0 lambda t), to a power p.

    Here gamma_0 lambda is what the whole training's ``decay`` gives each step.
    """
    return float((1 + h["decay"] / steps * t) ** -h["power"])


def inverse_sqrt(t: int, steps: int, h: Mapping[str, float]) -> float:
    """Zhai et al. 2021, appendix: sqrt(T / (t + T)) with a time scale of T steps."""
    scale = h["timescale"] * steps
    return sqrt(scale / (t + scale))


def vaswani(step_num: int, warmup_steps: int) -> float:
    """Vaswani et al. 2017, equation 3, divided by its peak; steps count from 1."""
    return sqrt(warmup_steps) * min(1 / sqrt(step_num), step_num / sqrt(warmup_steps) ** 3)


def polynomial(t: int, steps: int, h: Mapping[str, float]) -> float:
    """As TensorFlow documents it: (start - end) (1 - step / decay_steps) ^ power + end."""
    decay_steps = h["until"] * steps
    step = min(t, decay_steps)
    return float((1 - h["final"]) * (1 - step / decay_steps) ** h["power"] + h["final"])


def rex(t: int, steps: int, h: Mapping[str, float]) -> float:
    """Chen, Wolfe & Kyrillidis 2021, section 4: (1 - t/T) / (1/2 + 1/2 (1 - t/T)).

    Differs from the paper: what it falls to may be above zero.
    """
    left = 1 - t / steps
    return h["final"] + (1 - h["final"]) * (left / (1 / 2 + 1 / 2 * left))


def warmup_stable_decay(t: int, steps: int, h: Mapping[str, float]) -> float:
    """Hägele et al. 2024, equations 1 and 2: the peak, then f(n), n steps into the cooldown.

    f = 1 - n / N_decay or f = 1 - sqrt(n / N_decay); other powers likewise.
    Differs from the paper: what it falls to may be above zero.
    """
    decay_steps = round(h["cooldown"] * steps)
    n = t - (steps - decay_steps)
    if n <= 0:
        return 1.0
    return float(h["final"] + (1 - h["final"]) * (1 - (n / decay_steps) ** h["power"]))


def slanted_triangular(t: int, steps: int, h: Mapping[str, float]) -> float:
    """Howard & Ruder 2018, equation 3: cut, p and (1 + p (ratio - 1)) / ratio."""
    ratio = 1 / h["start"]
    cut = int(steps * h["rise"] + 1e-9)
    p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / h["rise"] - 1))
    return (1 + p * (ratio - 1)) / ratio


FACTORS: dict[str, Factor] = {
    "inverse_time": inverse_time,
    "inverse_sqrt": inverse_sqrt,
    "polynomial": polynomial,
    "rex": rex,
    "warmup_stable_decay": warmup_stable_decay,
    "slanted_triangular": slanted_triangular,
}
