"""What a user asks for: the study specification, readable as JSON.

Every field is optional. What is left out is inferred from the data by
`studies.resolve.resolve`, which returns the same type with nothing left open.
"""

from math import inf
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, model_validator


def _not_taken_for_a_number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("Input should be a number")  # noqa: TRY004 (pydantic answers for ValueError)
    return value


# Stands after the bounds: before them it would hide them from the JSON schema.
_NUMBER = BeforeValidator(_not_taken_for_a_number)
Whole = Annotated[int, _NUMBER]
Real = Annotated[float, _NUMBER]

Task = Literal["classification", "regression"]
Metric = Literal["log_loss", "accuracy", "rmse", "mae", "r2"]
Batch = Annotated[int, Field(ge=1, le=65_536), _NUMBER] | Literal["full", "single"]
Weight = Annotated[float, Field(gt=0.0, le=1e6), _NUMBER]
Width = Annotated[int, Field(ge=1, le=4096), _NUMBER]

ColumnKind = Literal["numeric", "categorical", "boolean", "date", "text", "ignored"]

METRICS: dict[Task, tuple[Metric, ...]] = {
    "classification": ("log_loss", "accuracy"),
    "regression": ("rmse", "mae", "r2"),
}
BOUNDS: dict[str, tuple[float, float]] = {
    "log_loss": (0.0, inf),
    "accuracy": (0.0, 1.0),
    "rmse": (0.0, inf),
    "mae": (0.0, inf),
    "r2": (-inf, 1.0),
}
"""The least and the greatest value of each metric."""


WORD = r"\p{L}\p{M}\p{N}_"
"""In a pattern: letters, digits and underscores of any script. ``\\w`` is ASCII alone to whoever reads the
published schema, whose patterns are those of ECMA 262."""


class Strict(BaseModel):
    """What users send: nothing unknown, nothing infinite, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Goal(Strict):
    """What trials are judged by: a metric of ours, or one that only its user can measure."""

    name: str = Field(min_length=1, max_length=64, pattern=rf"^[{WORD}][{WORD} .@/%-]*$")
    direction: Literal["minimize", "maximize"]
    best: Real | None = Field(
        default=None,
        description="The value that none can beat, such as 0 of an error: known, it teaches the sampler "
        "how much a difference matters.",
    )

    @property
    def maximized(self) -> bool:
        """Whether high values are good."""
        return self.direction == "maximize"

    @property
    def sign(self) -> float:
        """1 where low values are good, -1 where high ones are."""
        return -1.0 if self.maximized else 1.0


GOALS: dict[Metric, Goal] = {
    "log_loss": Goal(name="log_loss", direction="minimize", best=0.0),
    "accuracy": Goal(name="accuracy", direction="maximize", best=1.0),
    "rmse": Goal(name="rmse", direction="minimize", best=0.0),
    "mae": Goal(name="mae", direction="minimize", best=0.0),
    "r2": Goal(name="r2", direction="maximize", best=1.0),
}
"""The metrics that Fallline measures itself."""


class ModelSpec(Strict):
    """The network that every trial of the study trains."""

    kind: Literal["linear", "mlp", "cnn", "text", "transformer"] = Field(
        default="mlp",
        description='Left out, "cnn" for images and "text" where the only feature is one of texts.',
    )
    hidden: list[Width] = Field(default=[128], max_length=8, description="Widths of hidden layers.")
    channels: list[Width] = Field(
        default=[8, 16],
        min_length=1,
        max_length=6,
        description='What each 3 x 3 convolution of a "cnn" makes; the sides halve after each.',
    )
    embedding: Width = Field(
        default=32, description='Numbers a word has in "text" (a bag of words) and "transformer".'
    )
    heads: Whole = Field(
        default=4,
        ge=1,
        le=64,
        description='Of the attention of a "transformer"; they divide the embedding.',
    )
    activation: Literal["relu", "tanh", "gelu"] = "relu"
    dropout: Real = Field(default=0.0, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _an_mlp_has_layers(self) -> "ModelSpec":
        if self.kind == "mlp" and not self.hidden:
            raise ValueError('an "mlp" needs at least one hidden width; use kind "linear" for none')
        if self.kind == "transformer" and len(self.hidden) != 1:
            raise ValueError(f'a "transformer" has one hidden width; got {len(self.hidden)}')
        if self.kind == "transformer" and self.embedding % self.heads:
            raise ValueError(f"heads must divide the embedding, {self.embedding}; got {self.heads}")
        return self


class SplitSpec(Strict):
    """Which rows train, validate and test: 64, 16 and 20 % of them."""

    kind: Literal["random", "stratified", "grouped", "time"] = Field(
        description='"stratified": each part has its share of each class; "grouped": rows with the '
        'same value of `column` stay together; "time": the rows with the least values of `column` '
        "train, those with the greatest test."
    )
    column: str | None = Field(
        default=None, description='Of the groups or times; for "grouped" and "time" alone.'
    )
    feature: StrictBool = Field(
        default=False, description="Whether that column is a feature as well."
    )

    @model_validator(mode="after")
    def _some_kinds_have_a_column(self) -> "SplitSpec":
        needed = self.kind in {"grouped", "time"}
        if needed and self.column is None:
            raise ValueError(f'"{self.kind}" needs the column to split by; got none')
        if not needed and (self.column is not None or self.feature):
            raise ValueError(f'"{self.kind}" takes no column; got {self.column!r}')
        return self


class Range(Strict):
    """A closed interval, searched on a logarithmic scale."""

    low: Real = Field(gt=0.0)
    high: Real = Field(gt=0.0)

    @model_validator(mode="after")
    def _low_is_below_high(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"low must be below high; got low={self.low}, high={self.high}")
        return self


class SpaceSpec(Strict):
    """What is searched. Names are those of GET /v1/optimizers and /v1/schedules."""

    optimizers: Literal["all", "classic"] | Annotated[list[str], Field(min_length=1)] = "classic"
    learning_rate: Range | None = Field(
        default=None, description="One range for all optimizers; left out, each uses its own."
    )
    schedules: Literal["all", "classic"] | Annotated[list[str], Field(min_length=1)] = "classic"
    batch: Annotated[list[Batch], Field(min_length=1, max_length=16)] | None = Field(
        default=None,
        description='Samples a step: a number, "full" (batch gradient descent) or "single" '
        "(stochastic gradient descent); left out, chosen by the number of rows.",
    )


class RungsSpec(Strict):
    """How weak trials are dropped before they have cost a whole training."""

    rule: Literal["none", "median", "halving", "hyperband"] = "halving"
    factor: Whole = Field(
        default=3, ge=2, le=10, description="One in so many goes on; the median rule has two."
    )
    audited: Real = Field(
        default=0.05,
        ge=0.0,
        le=1.0,
        description="Share of dropped trials that train to the end, to see if dropping was right.",
    )


class BudgetSpec(Strict):
    """How much may be spent; whichever limit is met first ends the study."""

    trials: Whole = Field(default=100, ge=1, le=100_000)
    epochs: Whole = Field(default=20, ge=1, le=10_000, description="Of one trial, to its end.")
    seconds: Annotated[float, Field(gt=0.0), _NUMBER] | None = Field(
        default=None, description="Of which the confirmation has a third."
    )
    total_epochs: Annotated[int, Field(ge=1), _NUMBER] | None = Field(
        default=None, description="Passes over the training rows, all trials together."
    )
    samples: Annotated[int, Field(ge=1), _NUMBER] | None = Field(
        default=None, description="Rows trained on, counted as often, all trials together."
    )
    target: Real | None = Field(
        default=None, description="A value of the metric that is good enough."
    )
    patience: Annotated[int, Field(ge=1), _NUMBER] | None = Field(
        default=None, description="Trials in a row without a new best."
    )


class ConfirmationSpec(Strict):
    """How the finalists are trained again once the budget is spent."""

    seeds: Annotated[Literal[0] | Annotated[int, Field(ge=2, le=1000)], _NUMBER] = Field(
        default=10, description="Fresh seeds for each finalist; 0 leaves the confirmation out."
    )


class StudySpec(Strict):
    """One study: what to learn, with which model, over which space, at what cost."""

    target: str | None = Field(default=None, description="Column to predict.")
    task: Task | None = None
    columns: dict[str, ColumnKind] = Field(
        default={},
        description="Kinds of columns that are not as recognised: a number that is a code is "
        '"categorical", and what was left out as an identifier comes in by its kind.',
    )
    split: SplitSpec | None = Field(
        default=None, description="Left out: stratified for classes, random for values."
    )
    class_weight: Literal["balanced"] | dict[str, Weight] | None = Field(
        default=None,
        description="What a row of each class counts in the training loss, 1 for classes not "
        'named; "balanced": rows / (classes * rows of the class), of the training rows.',
    )
    model: ModelSpec = ModelSpec()
    metric: Metric | Goal | None = Field(
        default=None, description="One of your own where you train yourself."
    )
    space: SpaceSpec = SpaceSpec()
    budget: BudgetSpec = BudgetSpec()
    rungs: RungsSpec = Field(
        default=RungsSpec(rule="none"),
        description="Left out, every trial trains to the end; given, it halves unless told otherwise.",
    )
    confirmation: ConfirmationSpec = ConfirmationSpec()
    question: Literal["search", "compare"] = Field(
        default="search",
        description='"search": the best configuration of all; "compare": which optimizer is better, '
        "so every one gets the same number of trials.",
    )
    sampler: Literal["model", "tpe", "sobol", "random"] = "model"
    transfer: StrictBool = Field(
        default=True,
        description="Whether what your earlier jobs found on similar data is tried first; which "
        "configurations those are is settled when the job starts, and stands in the job.",
    )
    seed: Whole = Field(default=0, ge=0, lt=2**32)

    @property
    def goal(self) -> Goal:
        """The metric of a resolved spec, and which way is up.

        Raises:
            ValueError: the metric is open.
        """
        if self.metric is None:
            raise ValueError("the metric is open; resolve the spec first")
        return self.metric if isinstance(self.metric, Goal) else GOALS[self.metric]
