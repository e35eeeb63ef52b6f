"""Rules by hand: a slice of trials with chosen hyperparameters, fed chosen gradients."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.layout import Layout
from optimizers.rule import Rule, State

Gradients = Callable[[int, Tensor], Tensor]
"""``gradients(step, weights)``: what a rule is fed; steps count from 0."""


@dataclass(frozen=True)
class QuadraticProbe:
    """The probe of one step, as if its loss were quadratic: what a rule is fed is its gradient."""

    gradients: Gradients
    step: int

    def gradient(self, weights: Tensor) -> Tensor:
        """What the rule would be fed at other weights."""
        return self.gradients(self.step, weights).clone()

    def hessian_product(self, weights: Tensor, direction: Tensor) -> Tensor:
        """How the gradient changes along a direction: exact for a quadratic."""
        return self.gradient(weights + direction) - self.gradient(weights)


def at(h: Hyperparameter, share: float) -> float:
    """The value that lies at a share of the searched range; the default if it is not searched."""
    if h.low is None or h.high is None:
        return h.default
    if h.scale == "log":
        value = h.low * (h.high / h.low) ** share
    elif h.scale == "log1m":
        value = 1 - (1 - h.low) * ((1 - h.high) / (1 - h.low)) ** share
    else:
        value = h.low + (h.high - h.low) * share
    value = min(max(value, h.low), h.high)
    return round(value) if h.whole else float(value)


def spread(rule: Rule, trials: int) -> list[dict[str, float]]:
    """Hyperparameters of so many trials, all different, over the inner part of the ranges."""
    return [
        {
            h.name: at(h, 0.1 + 0.6 * ((trial * (2 * place + 1) + 0.5) % trials) / trials)
            for place, h in enumerate(rule.hyperparameters)
        }
        for trial in range(trials)
    ]


def drive(
    rule: Rule,
    trials: Sequence[Mapping[str, float]],
    weights: Tensor,
    gradients: Gradients,
    steps: int,
    layout: Layout | None = None,
    falling: bool = False,
) -> Iterator[tuple[Tensor, State]]:
    """Weights (K, P) and state after each step; the same tensors every time.

    Without a layout the weights are one vector. The learning rate stays, or falls to zero in a
    straight line.
    """
    weights = weights.clone()
    layout = layout or Layout({"vector": (weights.shape[1],)})
    state = rule.initial_state(weights, layout)
    t = torch.arange(1, steps + 1, dtype=torch.float64)[:, None]
    h = {
        p.name: torch.tensor([[trial[p.name] for trial in trials]], dtype=torch.float64)
        for p in rule.hyperparameters
    }
    left = 1 - (t - 1) / steps if falling else torch.ones_like(t)
    h["learning_rate"] = h["learning_rate"] * left
    h["total_steps"] = torch.full((1, len(trials)), steps, dtype=torch.float64)
    tables = {
        name: table.expand(steps, len(trials)).to(weights.dtype)
        for name, table in rule.coefficients(t, h).items()
    }
    for step in range(steps):
        c = SimpleNamespace(**{name: table[step, :, None] for name, table in tables.items()})
        c.step, c.layout, c.probe = step + 1, layout, QuadraticProbe(gradients, step)
        rule.update(weights, gradients(step, weights).clone(), state, c)
        yield weights, state


def arrive(
    rule: Rule,
    trials: Sequence[Mapping[str, float]],
    weights: Tensor,
    gradients: Gradients,
    steps: int,
    layout: Layout | None = None,
) -> tuple[Tensor, State]:
    """Weights and state after the last step."""
    return list(drive(rule, trials, weights, gradients, steps, layout))[-1]
