"""What a verdict says, as it is sent and stored."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Direction = Literal["minimize", "maximize"]
About = Literal["optimizers", "configurations"]
"""What a verdict compares: each optimizer as tuning would pick it, whose luck is then in every
interval; or the best configuration of each, as it was found."""

Interval = tuple[float, float]
"""The lower number first, in units of the metric."""


class _Finite(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Finalist(_Finite):
    """One configuration, trained again with fresh seeds; scores are on the test rows.

    Attributes:
        number: of the trial that it was.
        validation: what it scored then.
        mean: over all seeds; a diverged one counts as the worst score.
        interval: for the mean (Student's t).
        next_run: where one further run with a new seed will land, 99 times in 100. If a seed
            diverged, it reaches to the worst score.
        seeds: how many it was trained with.
        diverged: how many of these diverged.
    """

    number: int
    optimizer: str
    validation: float
    mean: float
    interval: Interval
    next_run: Interval
    seeds: int
    diverged: int


class Pair(_Finite):
    """Two optimizers, or the best configuration of each: see `About`.

    Attributes:
        difference: score of `first` minus score of `second`, the median over seeds and, between
            optimizers, the luck of tuning.
        interval: for it, adjusted for the number of pairs (Holm).
        p_value: that there is no difference, adjusted likewise.
        margin: smaller differences are of no practical matter.
        outcome: ``tie`` if the whole interval is within the margin; ``open`` is not enough evidence.
        winner: the better one, if one beats the other.
        more_seeds: about so many more would decide an open pair; None where seeds cannot.
        more_trials: of tuning, by optimizer, where seeds cannot decide an open pair.
        sentence: the same in words.
    """

    first: str
    second: str
    difference: float
    interval: Interval
    p_value: float
    margin: float
    outcome: Literal["beats", "tie", "open"]
    winner: str | None
    more_seeds: int | None
    more_trials: dict[str, int]
    sentence: str


class BudgetCurve(_Finite):
    """The best validation score to expect of an optimizer after so many of its trials.

    Attributes:
        trials: budgets, ascending; all of the optimizer's trials last.
        expected: the mean of the best score, one a budget.
        low: lower end of its band (bootstrap over trials).
        high: upper end.
    """

    optimizer: str
    trials: list[int]
    expected: list[float]
    low: list[float]
    high: list[float]


class Verdict(_Finite):
    """What confirmation allows to say.

    Attributes:
        winner: the optimizer that beats every other; None if there is none.
        leading: the optimizers that no other beats, best test score first.
        about: what was compared.
        sentence: the answer in words.
        finalists: best mean first.
        pairs: smallest p-value first.
        curves: one an optimizer with trials.
        confidence: of every interval but `next_run`.
    """

    winner: str | None
    leading: list[str]
    about: About
    sentence: str
    finalists: list[Finalist]
    pairs: list[Pair]
    curves: list[BudgetCurve]
    confidence: float
