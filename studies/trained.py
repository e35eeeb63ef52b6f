"""One configuration trained once more for its weights: the same seed gives the same bits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizers.training import train
from studies.data.prepare import Data
from studies.data.preprocessing import Preprocessing
from studies.spec import StudySpec
from studies.wave import WaveTrial, build_problem, tensors


@dataclass(frozen=True)
class Trained:
    """A network after its last epoch.

    Attributes:
        weights: by name, as of `optimizers.models.mlp.MLP`: weight (out, in) and bias (out,).
        validation: every metric.
        test: likewise, on rows that no trial has seen.
        rows: of each part, by its name.
        preprocessing: how a row becomes an input.
    """

    weights: dict[str, NDArray[np.float32]]
    validation: dict[str, float]
    test: dict[str, float]
    rows: dict[str, int]
    preprocessing: Preprocessing


def train_for_weights(data: Data, spec: StudySpec, member: WaveTrial) -> Trained | None:
    """Train a configuration to its end, as a confirmation would.

    Args:
        data: the prepared table.
        spec: resolved.
        member: what to train, and the seed.

    Returns:
        The network; None if it diverged.

    Raises:
        ValueError: the data's preprocessing cannot be described.
    """
    if data.preprocessing is None:
        raise ValueError("what becomes of texts, images and codes cannot be described")
    (outcome,) = train(
        build_problem(data, spec),
        tensors(data.train),
        tensors(data.validation),
        [member.configuration],
        epochs=spec.budget.epochs,
        seeds=member.seed,
        test=tensors(data.test),
        keep_weights=True,
    )
    if not outcome.tested or not np.isfinite(list(outcome.tested.values())).all():
        return None
    return Trained(
        weights={name: tensor.numpy() for name, tensor in outcome.weights.items()},
        validation={name: values[-1] for name, values in outcome.metrics.items()},
        test=outcome.tested,
        rows={part: len(getattr(data, part).inputs) for part in ("train", "validation", "test")},
        preprocessing=data.preprocessing,
    )
