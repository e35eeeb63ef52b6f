"""The stacked rules follow their papers, written out in plain floats."""

from collections.abc import Mapping, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from optimizers.layout import Layout
from optimizers.registry import RULES
from optimizers.rule import Rule
from tests.optimizers.drive import at, drive
from tests.references import REFERENCES

STEPS, WEIGHTS = 25, 5
LAYOUT = Layout({"matrix": (2, 2), "vector": (1,)})  # where a rule tells matrices from vectors
WITHIN = {"soap": 1e-8, "shampoo": 1e-9, "sophia": 1e-9}
"""Errors relative to the largest weight, where more than 1e-12 is in the nature of the rule.

SOAP's second gradient equals its first, of which it has the exact singular vectors: beside the
diagonal it divides rounding by epsilon. Shampoo's roots of a matrix that is all but singular
divide rounding by its epsilon, too. Sophia divides by differences of slopes, of which hardly
anything but rounding may be left.
"""
CURVATURE = [0.1, 0.3, 1.0, 0.5, 0.05]


def slope(x: Sequence[float]) -> list[float]:
    """Gradient of a function without symmetry: neighbours pull at each other."""
    return [
        c * (xi - 0.5) + 0.1 * xi / (1 + xi * xi) + 0.05 * other
        for c, xi, other in zip(CURVATURE, x, [*x[1:], x[0]], strict=True)
    ]


def slopes(step: int, weights: Tensor) -> Tensor:
    """The same for every row."""
    return torch.tensor([slope(row) for row in weights.tolist()], dtype=weights.dtype)


def walk(name: str, start: list[float], h: Mapping[str, float]) -> tuple[Tensor, Tensor]:
    """Where the reference's steps arrive, and the gradients it met: each (steps, weights)."""
    met: list[list[float]] = []

    def met_slope(x: list[float]) -> list[float]:
        met.append(slope(x))
        return met[-1]

    path = REFERENCES[name](start, met_slope, STEPS, h)
    return torch.tensor(path, dtype=torch.float64), torch.tensor(met, dtype=torch.float64)


def test_every_rule_has_a_reference_and_every_reference_a_rule() -> None:
    assert set(REFERENCES) == set(RULES)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_rule_is_what_its_paper_prints(rule: Rule, data: st.DataObject) -> None:
    share, row = st.floats(0, 1), st.lists(st.floats(-2, 2), min_size=WEIGHTS, max_size=WEIGHTS)
    trials = [{h.name: at(h, data.draw(share)) for h in rule.hyperparameters} for _ in range(3)]
    starts = [data.draw(row) for _ in trials]
    walks = [walk(rule.name, start, h) for start, h in zip(starts, trials, strict=True)]
    paths, gradients = (torch.stack(parts, 1) for parts in zip(*walks, strict=True))
    start = torch.tensor(starts, dtype=torch.float64)
    # A rule that probes asks for more gradients than those that the reference met.
    fed = slopes if rule.probes else lambda step, _: gradients[step]
    layout = LAYOUT if rule.stacking == "matrix" else None
    driven = drive(rule, trials, start, fed, STEPS, layout)
    for step, (weights, _) in enumerate(driven):
        largest = paths[: step + 1].abs().amax((0, 2)).clamp(min=1.0)  # of each trial
        errors = (weights - paths[step]).abs().amax(1)
        assert (errors <= WITHIN.get(rule.name, 1e-12) * largest).all()
