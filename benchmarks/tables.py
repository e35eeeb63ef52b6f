"""Small real tables, and real trainings on them by the hundred."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_friedman1,
)

from optimizers.configuration import Configuration
from optimizers.problem import Examples as TrainingExamples
from optimizers.training import train
from studies.data.prepare import Data, Examples
from studies.data.preprocessing import Preprocessing, TargetColumn
from studies.data.split import split
from studies.spec import StudySpec
from studies.wave import build_problem

TABLES = {"wine": load_wine, "breast_cancer": load_breast_cancer, "diabetes": load_diabetes}
MORE: dict[str, Callable[[], Any]] = {
    "iris": lambda: load_iris(return_X_y=True),
    "digits, even rows": lambda: [part[::2] for part in load_digits(return_X_y=True)],
    "digits, odd rows": lambda: [part[1::2] for part in load_digits(return_X_y=True)],
    "friedman": lambda: make_friedman1(500, noise=1.0, random_state=0),
}
NUMERIC = {"diabetes", "friedman"}
STACK = 128


def data(table: str, seed: int) -> Data:
    """A table, cut and standardised by its training rows."""
    inputs, targets = MORE[table]() if table in MORE else TABLES[table](return_X_y=True)
    numeric = table in NUMERIC
    parts = split(len(inputs), seed, None if numeric else targets)
    train_rows = inputs[parts.train]
    spread = np.where(train_rows.std(0) > 0, train_rows.std(0), 1.0)  # digits: always-white pixels
    inputs = ((inputs - train_rows.mean(0)) / spread).astype(np.float32)
    mean, scale = 0.0, 1.0
    if numeric:
        mean, scale = targets[parts.train].mean(), targets[parts.train].std()
        targets = ((targets - mean) / scale).astype(np.float32)
    trained, validated, tested = (
        Examples(inputs[part], targets[part])
        for part in (parts.train, parts.validation, parts.test)
    )
    classes = () if numeric else tuple(map(str, np.unique(targets)))
    target = TargetColumn(name="target", classes=list(classes), mean=mean, scale=float(scale))
    encoded = Preprocessing(target=target, numeric=[], categorical=[], inputs=[])  # already
    return Data(trained, validated, tested, classes, mean, float(scale), (), (), encoded)


def scores(
    rows: Data,
    described: StudySpec,
    configurations: Sequence[Configuration],
    seeds: Sequence[int],
    on: Examples,
) -> list[float | None]:
    """Of each configuration after its last epoch, on these rows; None if it diverged."""
    outcomes = train(
        build_problem(rows, described),
        tensors(rows.train),
        tensors(on),
        configurations,
        epochs=described.budget.epochs,
        seeds=seeds,
        stack_trials=STACK,
    )
    metric = str(described.metric)
    return [o.metrics[metric][-1] if o.diverged_at is None else None for o in outcomes]


def tensors(rows: Examples) -> TrainingExamples:
    return TrainingExamples(torch.from_numpy(rows.inputs), torch.from_numpy(rows.targets))
