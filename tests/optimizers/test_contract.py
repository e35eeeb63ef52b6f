"""What every rule promises; a rule that joins the registry is met by all of this at once."""

import re
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from optimizers.layout import Layout
from optimizers.registry import CLASSIC, RULES
from optimizers.rule import Rule, State
from tests.optimizers.drive import arrive, at, drive, spread

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)

WEIGHTS = 77  # no multiple of any vector's length, so that kernels have tails
LAYOUT = Layout({"matrix": (7, 10), "bias": (7,)})
STEPS = 12

FURTHEST = {"schedule_free_sgd": 1.1, "dowg": 0.75, "dadapt_adam": 2.2}
"""How far from the bottom of a parabola a start within 0.5 may lead, where it is over 0.6: the
first steps of these defaults are long, by a rate of 1 or by the search for one."""

RESTLESS = {"prodigy", "dadapt_adam"}
"""Adam with steps as long as the whole way: near the bottom they need a rate that falls."""


class Recorded:
    """Random weights and gradients of K trials, each with hyperparameters of its own."""

    def __init__(self, rule: Rule, trials: int, dtype: torch.dtype, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        shape = (STEPS, trials, WEIGHTS)
        self.rule, self.trials = rule, spread(rule, trials)
        self.gradients = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        self.weights = torch.randn(shape[1:], generator=generator, dtype=torch.float64).to(dtype)

    def arrive(self, rows: list[int], steps: int = STEPS) -> tuple[Tensor, State]:
        """What these trials come to as one stack."""
        return arrive(
            self.rule,
            [self.trials[row] for row in rows],
            self.weights[rows],
            lambda step, _: self.gradients[step, rows],
            steps,
            LAYOUT,
        )


def same(one: tuple[Tensor, State], other: tuple[Tensor, State]) -> bool:
    """Whether weights and state agree bit for bit, NaN included."""
    pairs = [(one[0], other[0]), *((one[1][name], other[1][name]) for name in one[1])]
    return all(torch.equal(a.isnan(), b.isnan()) for a, b in pairs) and all(
        torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs
    )


def chosen(result: tuple[Tensor, State], rows: list[int]) -> tuple[Tensor, State]:
    """Some trials of a result."""
    return result[0][rows], {name: buffer[rows] for name, buffer in result[1].items()}


def defaults(rule: Rule) -> Mapping[str, float]:
    """The rule's hyperparameters when nobody sets them."""
    return {h.name: h.default for h in rule.hyperparameters}


def patience(rule: Rule) -> int:
    """Steps by which the defaults should have arrived.

    A rule of signs covers one rate a step, and a rule needs at least as many steps as the
    longest of its means remembers.
    """
    h = defaults(rule)
    memories = [1 / (1 - h[p.name]) for p in rule.hyperparameters if p.scale == "log1m"]
    return max(3000, *(round(steps) for steps in (1 / h["learning_rate"], *memories)))


def test_the_registry_names_every_rule_once() -> None:
    assert [rule.name for rule in RULES.values()] == list(RULES)
    assert len({id(rule) for rule in RULES.values()}) == len(RULES)
    assert set(CLASSIC) <= set(RULES)


@every_rule
def test_a_rule_describes_itself(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", rule.name)
    assert rule.summary.endswith(".")
    assert len(re.findall(r"[.!?](?=\s|$)", rule.summary)) <= 2
    assert "θ ← " in rule.formula
    assert re.search(r"\b(19|20)\d\d\b", rule.reference)


@every_rule
def test_hyperparameters_are_described(rule: Rule) -> None:
    names = [h.name for h in rule.hyperparameters]
    assert names[0] == "learning_rate"
    assert len(set(names)) == len(names)
    for h in rule.hyperparameters:
        assert h.meaning.endswith(".")
        assert (h.source != "") == h.searched


@every_rule
def test_defaults_and_ranges_lie_inside_what_is_allowed(rule: Rule) -> None:
    for h in rule.hyperparameters:
        assert (h.low is None) == (h.high is None)
        for value in (h.default, h.low, h.high):
            assert value is None or h.check(rule.name, value) == value
        if h.low is not None and h.high is not None:
            assert h.low <= h.default <= h.high
            assert h.low < h.high
            assert h.scale != "log" or h.low > 0
            assert h.scale != "log1m" or h.high < 1


@both_precisions
@every_rule
def test_results_are_finite_and_keep_shape_and_precision(rule: Rule, dtype: torch.dtype) -> None:
    recorded = Recorded(rule, 5, dtype)
    weights, state = recorded.arrive([*range(5)])
    assert tuple(state) == rule.state
    assert weights.shape == (5, WEIGHTS)
    for tensor in (weights, *state.values()):
        assert len(tensor) == 5
        assert tensor.dtype == dtype
        assert tensor.isfinite().all()
    assert not torch.equal(weights, recorded.weights)


@both_precisions
@every_rule
def test_the_same_input_gives_the_same_bits(rule: Rule, dtype: torch.dtype) -> None:
    one, other = Recorded(rule, 9, dtype), Recorded(rule, 9, dtype)
    assert same(one.arrive([*range(9)]), other.arrive([*range(9)]))


@every_rule
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_hyperparameters_of_the_ranges_stay_finite(rule: Rule, data: st.DataObject) -> None:
    share = st.floats(0, 1)
    trials = [{h.name: at(h, data.draw(share)) for h in rule.hyperparameters} for _ in range(3)]
    for trial in trials:
        for h in rule.hyperparameters:
            assert h.check(rule.name, trial[h.name]) == trial[h.name]
    gradients = Recorded(rule, 3, torch.float32).gradients
    start = torch.zeros(3, WEIGHTS)
    weights, state = arrive(rule, trials, start, lambda step, _: gradients[step], STEPS)
    assert all(tensor.isfinite().all() for tensor in (weights, *state.values()))


@every_rule
def test_default_settings_find_the_bottom_of_a_parabola(rule: Rule) -> None:
    curvature = torch.logspace(-0.5, 0.5, WEIGHTS)
    start = torch.linspace(-0.5, 0.5, WEIGHTS).expand(2, -1)
    furthest, weights = torch.zeros(()), start
    for weights, _ in drive(
        rule,
        [defaults(rule)] * 2,
        start,
        lambda _, w: curvature * w,
        patience(rule),
        falling=rule.name in RESTLESS,
    ):
        furthest = torch.maximum(furthest, weights.abs().max())
    assert float(furthest) <= FURTHEST.get(rule.name, 0.6)
    height = float((curvature * weights.square()).sum(1).max())
    assert height < 1e-2 * float((curvature * start[0].square()).sum())


@both_precisions
@every_rule
def test_a_trial_alone_equals_its_row_in_a_stack(rule: Rule, dtype: torch.dtype) -> None:
    recorded = Recorded(rule, 64, dtype)
    together = recorded.arrive([*range(64)])
    # First, last, and both sides of a vector's and a block's edge.
    for row in (0, 1, 7, 8, 31, 32, 63):
        assert same(recorded.arrive([row]), chosen(together, [row]))


@both_precisions
@every_rule
def test_the_order_of_trials_changes_nothing(rule: Rule, dtype: torch.dtype) -> None:
    recorded = Recorded(rule, 13, dtype)
    order = torch.randperm(13, generator=torch.Generator().manual_seed(1)).tolist()
    assert same(recorded.arrive(order), chosen(recorded.arrive([*range(13)]), order))


@both_precisions
@every_rule
def test_splitting_a_stack_changes_nothing(rule: Rule, dtype: torch.dtype) -> None:
    recorded = Recorded(rule, 13, dtype)
    together = recorded.arrive([*range(13)])
    for part in ([*range(5)], [*range(5, 13)]):
        assert same(recorded.arrive(part), chosen(together, part))


@both_precisions
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@every_rule
def test_a_lost_trial_leaves_its_neighbours_alone(
    rule: Rule, value: float, dtype: torch.dtype
) -> None:
    recorded = Recorded(rule, 7, dtype)
    others = [0, 1, 2, 4, 5, 6]
    well = recorded.arrive([*range(7)])
    recorded.gradients[3, 3] = value
    lost = recorded.arrive([*range(7)])
    assert not same(chosen(well, [3]), chosen(lost, [3]))  # finite, if a rule takes signs
    assert same(chosen(well, others), chosen(lost, others))


@both_precisions
@every_rule
def test_zero_gradients_move_nothing_outwards(rule: Rule, dtype: torch.dtype) -> None:
    recorded = Recorded(rule, 3, dtype)
    recorded.gradients[:, 1] = 0
    weights, state = recorded.arrive([0, 1, 2])
    shrinks = any(h.name == "weight_decay" for h in rule.hyperparameters)
    # An epsilon may add up, and shares of the weights where their decay passes a velocity.
    room = recorded.weights[1].abs() if shrinks else 1e-12
    for name, first in recorded.arrive([0, 1, 2], steps=1)[1].items():
        if first.shape == weights.shape:  # else it may count steps
            assert (state[name][1].abs() - first[1].abs() <= room).all(), name
    kept = weights[1] / recorded.weights[1]
    assert (kept <= 1).all()
    assert torch.equal(weights[1], recorded.weights[1]) == (not shrinks)


@both_precisions
@pytest.mark.parametrize("scale", [1e-8, 1e4])
@every_rule
def test_tiny_and_huge_gradients_stay_finite(rule: Rule, scale: float, dtype: torch.dtype) -> None:
    recorded = Recorded(rule, 3, dtype)
    recorded.gradients[:, 1] *= scale
    weights, state = recorded.arrive([0, 1, 2])
    assert all(tensor.isfinite().all() for tensor in (weights, *state.values()))
    alone = chosen(Recorded(rule, 3, dtype).arrive([0, 1, 2]), [0, 2])
    assert same(chosen((weights, state), [0, 2]), alone)
