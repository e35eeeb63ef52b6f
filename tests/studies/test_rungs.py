import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.rungs import decide, ladder
from tests.studies.pretend import resolved


@pytest.mark.parametrize(
    ("rule", "epochs", "waves"),
    [
        ("none", 20, [[20]] * 4),
        ("halving", 20, [[3, 7, 20]] * 4),
        ("median", 20, [[5, 10, 20]] * 4),
        ("hyperband", 20, [[3, 7, 20], [7, 20], [20], [3, 7, 20]]),
        ("halving", 2, [[1, 2]] * 4),
        ("halving", 1, [[1]] * 4),
    ],
)
def test_rungs_are_shares_of_the_last(rule: str, epochs: int, waves: list[list[int]]) -> None:
    spec = resolved(rungs={"rule": rule}, budget={"epochs": epochs})
    assert [ladder(spec, wave) for wave in range(4)] == waves


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_best_third_goes_on(sign: float) -> None:
    spec = resolved(rungs={"audited": 0.0})
    values = [sign * value if value else None for value in (0.5, 0.1, None, 0.3, 0.2, 0.9, 0.4)]
    decisions = decide(spec, range(7), values, sign)
    assert [decision.goes_on for decision in decisions] == [
        False, True, False, True, True, False, False,
    ]  # fmt: skip
    assert {decision.threshold for decision in decisions} == {sign * 0.3}


def test_of_equals_the_first_goes_on_and_nobody_if_all_diverged() -> None:
    spec = resolved(rungs={"rule": "median", "audited": 0.0})
    assert [d.goes_on for d in decide(spec, [4, 5, 6], [1.0, 1.0, 1.0], 1.0)] == [True, True, False]
    lost = decide(spec, [4, 5], [None, None], 1.0)
    assert [(d.goes_on, d.threshold, d.audited) for d in lost] == [(False, None, False)] * 2


def test_a_share_of_the_dropped_is_audited_by_lot() -> None:
    spec = resolved(rungs={"audited": 0.2})
    values = [float(number) for number in range(3000)]
    decisions = decide(spec, range(3000), values, 1.0)
    audited = [number for number, decision in enumerate(decisions) if decision.audited]
    assert min(audited) >= 1000
    assert 350 < len(audited) < 450
    assert all(decisions[number].goes_on for number in audited)
    assert decide(spec, range(3000), values, 1.0) == decisions


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=30),
    st.integers(2, 10),
)
def test_nobody_who_is_dropped_was_better_than_one_who_passed(
    values: list[float | None], factor: int
) -> None:
    spec = resolved(rungs={"factor": factor, "audited": 0.0})
    decisions = decide(spec, range(len(values)), values, 1.0)
    passed = [v for v, d in zip(values, decisions, strict=True) if d.goes_on]
    dropped = [v for v, d in zip(values, decisions, strict=True) if not d.goes_on]
    finite = [value for value in values if value is not None]
    assert len(passed) == min(-(-len(values) // factor), len(finite))
    assert all(p is not None and (v is None or p <= v) for p in passed for v in dropped)
