"""What a script is made for."""

from dataclasses import dataclass

from optimizers.configuration import Configuration
from optimizers.registry import find_rule
from optimizers.schedules import find_schedule
from studies.data.dialect import Dialect
from studies.data.features import split_column
from studies.data.images import ImageShape
from studies.data.prepare import NUMERIC
from studies.data.schema import Column, TableSchema
from studies.data.split import STRATIFIABLE, sizes
from studies.spec import StudySpec


@dataclass(frozen=True)
class Expected:
    """Where the test score of one more seed should fall, as trainings from some seeds say.

    Attributes:
        metric: the study's.
        mean: of the scores so far.
        low: lower end of the prediction interval for one new seed.
        high: its upper end.
        seeds: how many trainings it rests on.
    """

    metric: str
    mean: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True)
class Facts:
    """A configuration, the table it was found on, and what is expected of it.

    Attributes:
        spec: resolved.
        schema: of the table.
        configuration: what the script trains.
        seed: it trains from, unless told otherwise.
        digest: SHA-256 of the stored table.
        dialect: of the text file.
        expected: None while there is none.
        target: the column to predict.
        features: the columns to predict it from.
    """

    spec: StudySpec
    schema: TableSchema
    configuration: Configuration
    seed: int
    digest: str
    dialect: Dialect
    expected: Expected | None
    target: Column
    features: tuple[Column, ...]

    @property
    def kinds(self) -> list[str]:
        """The kinds of all columns in use, each once."""
        apart = [] if self.split_column is None else [self.split_column]
        return sorted({self.written(column) for column in (*self.features, self.target, *apart)})

    @property
    def split_column(self) -> Column | None:
        """The column that rows are split by, if they are."""
        return self.schema.column(split_column(self.spec) or "")

    def written(self, column: Column) -> str:
        """How a column's values are to be read."""
        native = self.schema.column(column.name) or column
        kind = "decimal_comma" if column.name in self.dialect.decimal_commas else native.kind
        categorical = column.kind == "categorical" != native.kind
        return f"{kind} categorical" if categorical else kind

    @property
    def image(self) -> ImageShape | None:
        """The shape of the images, if it learns from images."""
        return next((column.shape for column in self.features if column.shape), None)

    @property
    def smallest_part(self) -> int:
        """Rows that validate or test, whichever are fewer."""
        return min(sizes(self.schema.rows - self.target.missing)[1:])

    def flags(self) -> dict[str, bool]:
        """Which lines of the text this script needs."""
        spec, configuration = self.spec, self.configuration
        native = {kind.removesuffix(" categorical") for kind in self.kinds}
        numbers = [c for c in self.features if c.kind in NUMERIC]
        image = self.image is not None
        texts = any(column.kind == "categorical" for column in self.features)
        tokens = spec.model.kind in {"text", "transformer"}
        words = any(column.kind == "text" for column in self.features) and not tokens
        incomplete = any(column.missing for column in numbers)
        dropped = self.target.missing > 0
        text_target = self.target.kind == "categorical"
        classification = spec.task == "classification"
        kind = spec.split.kind if spec.split else "stratified"
        in_strata = classification and kind == "stratified"
        rare = in_strata and self.target.rarest < STRATIFIABLE
        enough = (
            self.target.distinct <= self.smallest_part
        )  # rows for each class to be in all parts
        stratified = in_strata and enough and not rare
        by_column = self.split_column is not None
        shuffled = kind != "time"
        rule = find_rule(configuration.optimizer)
        watches = find_schedule(configuration.schedule).watches
        dropout = spec.model.kind != "linear" and spec.model.dropout > 0
        return {
            "classification": classification,
            "regression": not classification,
            **{kind: kind in native for kind in ("boolean", "date", "decimal_comma")},
            "numeric": bool({"numeric", "decimal_comma"} & native),
            "recast": any(kind.endswith(" categorical") for kind in self.kinds),
            "numbers": bool(numbers),
            "texts": texts,
            "numbers_beside": bool(numbers) and (texts or words),
            "texts_beside": texts and (bool(numbers) or words),
            "words": words,
            "words_dropped": words and dropped,
            "tokens": tokens,
            "encoders": not (tokens or image),
            "tokens_dropped": tokens and dropped,
            "transformer": spec.model.kind == "transformer",
            "image": image,
            "image_dropped": image and dropped,
            "flat": image and spec.model.kind != "cnn",
            "numbers_alone": bool(numbers) and not (texts or words),
            "texts_alone": texts and not (numbers or words),
            "incomplete": incomplete,
            "complete": bool(numbers) and not incomplete,
            "dropped": dropped,
            "text_dropped": dropped and text_target,
            "number_dropped": dropped and not text_target,
            "numbers_dropped": dropped and bool(numbers),
            "texts_dropped": dropped and texts,
            "rare": rare,
            "stratified": stratified,
            "shared": rare or stratified,
            "unstratified": not (rare or stratified or by_column),
            "shuffled": shuffled,
            "drawn": shuffled and not by_column,
            "grouped": kind == "grouped",
            "timed": kind == "time",
            "by_column": by_column,
            "unsplit": not by_column,
            "column_dropped": by_column and dropped,
            "weighted": spec.class_weight is not None,
            "unweighted": classification and spec.class_weight is None,
            "balanced": spec.class_weight == "balanced",
            "named_weights": isinstance(spec.class_weight, dict),
            "alike": spec.class_weight is None,
            "dropout": dropout,
            "undropped": not dropout,
            "probes": rule.probes,
            "plain": not rule.probes,
            "averages": rule.evaluation_point is not None,
            "watches": watches,
            "stepwise": not watches,
            "stated": self.expected is not None,
            "unstated": self.expected is None,
        }
