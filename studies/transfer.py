"""What earlier studies found, put among the first trials of a study that is like them.

Feurer, Springenberg & Hutter 2015, Initializing Bayesian Hyperparameter Optimization via
Meta-Learning: the best configurations of the studies that are nearest, by the L1 distance of their
meta-features, are tried first. Here the meta-features are what is known before any training.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log10, prod
from typing import Any

from optuna.trial import FrozenTrial
from pydantic import BaseModel

from studies.data.features import features
from studies.data.schema import Column, TableSchema
from studies.data.texts import TERMS
from studies.space import Space, contests
from studies.spec import Goal, Metric, ModelSpec, StudySpec, Task

MOST = 5
"""Transferred trials of a study, or of each optimizer that is compared."""

ONE_IN = 10
"""Of a study's trials are transferred at most: history may mislead."""

PLAIN = {"linear", "mlp"}
"""Networks of layers alone; another kind is a step away from all others."""

LEAST_LIKENESS = 0.1
"""Below it a study says nothing that the catalogue's defaults do not say."""

APART = 0.5
"""Decades of learning rate between transferred configurations of one optimizer."""


@dataclass(frozen=True)
class MetaFeatures:
    """What a study is about, as far as it is known before any training.

    Attributes:
        task: classification or regression.
        metric: what trials are judged by.
        model: the network.
        epochs: of one whole training.
        rows: with a target.
        features: inputs of the network, near enough: one a number, one a category.
        classes: 1 for regression.
        table: digest of the data, and the target's name.
        seed: cuts the rows into training, validation and test.
    """

    task: Task | None
    metric: Metric | Goal | None
    model: ModelSpec
    epochs: int
    rows: int
    features: int
    classes: int
    table: tuple[str, str]
    seed: int


class Source(BaseModel):
    """Where a transferred configuration comes from.

    Attributes:
        job: the earlier job.
        dataset: the name of its dataset.
        trial: the trial's number in it.
        likeness: of that study to this one, in [0, 1].
        rank: of the trial among those that were completed there, from 1.
        completed: how many those were.
    """

    job: str
    dataset: str
    trial: int
    likeness: float
    rank: int
    completed: int


class Transferred(BaseModel):
    """A configuration that an earlier study found, as Optuna's parameters."""

    source: Source
    params: dict[str, Any]


@dataclass(frozen=True)
class Earlier:
    """An earlier study.

    Attributes:
        job: its job.
        dataset: the name of its dataset.
        likeness: to the study that is to begin.
        trials: its best completed trials, best first.
        completed: how many trials it completed in all.
    """

    job: str
    dataset: str
    likeness: float
    trials: Sequence[FrozenTrial]
    completed: int


def meta_features(spec: StudySpec, schema: TableSchema, digest: str) -> MetaFeatures:
    """The meta-features of a study.

    Args:
        spec: resolved.
        schema: of its table.
        digest: of its table.
    """
    target = schema.column(str(spec.target))
    if target is None:
        raise ValueError(f"meta_features needs the table of the spec; {spec.target!r} is not in it")
    return MetaFeatures(
        task=spec.task,
        metric=spec.metric,
        model=spec.model,
        epochs=spec.budget.epochs,
        rows=schema.rows - target.missing,
        features=sum(_inputs(column) for column in features(schema, spec)),
        classes=target.distinct if spec.task == "classification" else 1,
        table=(digest, target.name),
        seed=spec.seed,
    )


def likeness(a: MetaFeatures, b: MetaFeatures) -> float:
    """How alike two studies are: 1 for the same, halved by every step of distance between them.

    A step is a decade of rows, features, classes, epochs or layer width, or a layer more; another
    table, metric or activation is half a step. Studies of different tasks are not alike at all.
    Nor are two that cut the same table by different seeds: what one of them found was judged by
    rows that are test rows of the other.
    """
    same_table = a.table == b.table
    if a.task != b.task or (same_table and a.seed != b.seed):
        return 0.0
    decades = sum(
        abs(log10(one) - log10(other))
        for one, other in (
            (a.rows, b.rows),
            (a.features, b.features),
            (a.classes, b.classes),
            (a.epochs, b.epochs),
        )
    )
    differences = (not same_table) + (a.metric != b.metric)
    return float(2 ** -(decades + 0.5 * differences + _between(a.model, b.model)))


def choose(spec: StudySpec, earlier: Iterable[Earlier]) -> list[Transferred]:
    """The configurations of earlier studies that a study tries first, the most promising first.

    The better a trial stood in its study and the more alike that is, the sooner; defaults, which are
    tried anyway, and neighbours of what was chosen already are left out. Optimizers that are
    compared get equally many: a head start for some would decide who wins.

    Args:
        spec: resolved.
        earlier: studies that may be used, of equally alike ones the preferred first.
    """
    ranked = sorted(
        (found for study in earlier if study.likeness >= LEAST_LIKENESS for found in _found(study)),
        key=_promise,
        reverse=True,
    )
    spaces = [Space(one) for one in contests(spec)]
    of_each = [_distinct(space, ranked, spec.budget.trials // len(spaces)) for space in spaces]
    fewest = min(map(len, of_each))
    return [each for chosen in of_each for each in chosen[:fewest]]


def _inputs(column: Column) -> int:
    if column.shape is not None:
        return prod(column.shape)
    if column.kind == "text":
        return TERMS
    return column.distinct if column.kind == "categorical" else 1


def _widths(model: ModelSpec) -> list[int]:
    """Of its layers."""
    by_kind = {"linear": [], "mlp": model.hidden, "cnn": model.channels}
    return by_kind.get(model.kind, [model.embedding])


def _between(a: ModelSpec, b: ModelSpec) -> float:
    """Steps between two networks; a linear model has no layer whose width could differ."""
    one, other = _widths(a), _widths(b)
    steps = float(abs(len(one) - len(other))) + (
        a.kind != b.kind and bool({a.kind, b.kind} - PLAIN)
    )
    if one and other:
        widths = [prod(hidden) ** (1 / len(hidden)) for hidden in (one, other)]
        steps += abs(log10(widths[0]) - log10(widths[1])) + 0.5 * (a.activation != b.activation)
        steps += abs(a.dropout - b.dropout)
    return steps


def _found(study: Earlier) -> Iterator[Transferred]:
    for place, trial in enumerate(study.trials):
        source = Source(
            job=study.job,
            dataset=study.dataset,
            trial=trial.number,
            likeness=round(study.likeness, 4),
            rank=place + 1,
            completed=study.completed,
        )
        yield Transferred(source=source, params=trial.params)


def _promise(found: Transferred) -> float:
    source = found.source
    return source.likeness * (1 - (source.rank - 1) / source.completed)


def _distinct(space: Space, ranked: Iterable[Transferred], trials: int) -> list[Transferred]:
    """The first of the ranked that are of this space and apart, as many as so many trials allow."""
    most = min(MOST, -(-trials // ONE_IN))
    defaults = [space.params(default) for default in space.defaults()]
    chosen: dict[str, list[float]] = {}  # log10 of learning rates, by optimizer
    kept: list[Transferred] = []
    for found in ranked:
        if len(kept) == most:
            break
        if found.params in defaults or not space.contains(found.params):
            continue
        configuration = space.configuration(found.params)
        rate = log10(configuration.hyperparameters["learning_rate"])
        near = chosen.setdefault(configuration.optimizer, [])
        if all(abs(rate - other) >= APART for other in near):
            near.append(rate)
            kept.append(found)
    return kept
