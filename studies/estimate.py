"""What a study will cost, foretold from a few steps of training before it is accepted."""

import math
import time
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from optimizers.configuration import Batch, Configuration
from optimizers.memory import estimate_bytes
from optimizers.problem import Problem
from optimizers.training import train
from studies.confirmation import LEADING
from studies.data.prepare import Data
from studies.run import wave_size
from studies.samplers.chance import Random
from studies.samplers.cube import Cube
from studies.space import Space
from studies.spec import StudySpec
from studies.verdict import FINALISTS
from studies.wave import build_problem, tensors

SAMPLE = 48  # configurations that stand for all that the space holds
PROBE_SECONDS = 0.3  # of training, for each batch size


class Estimate(BaseModel):
    """What a study will cost at most, if no limit but those on trials and seconds ends it."""

    model_config = ConfigDict(frozen=True)

    trials: int = Field(description="To be searched through.")
    confirmation_trainings: int = Field(description="Of finalists, from fresh seeds.")
    samples: int = Field(description="Training rows seen by all of them, counted as often.")
    seconds: float = Field(
        description="On this server's workers, none of them busy with other jobs; within a factor of "
        "three. Trials that diverge or are dropped at a rung make it less."
    )
    bytes: int = Field(description="Memory that a worker needs for the data and its largest wave.")


def estimate(data: Data, spec: StudySpec, workers: int) -> Estimate:
    """Foretell what a study will cost.

    Configurations drawn at random train for a moment, stacked by batch size as in a wave; the rest
    is multiplication.

    Args:
        data: the prepared table.
        spec: resolved.
        workers: that train at once.
    """
    problem = build_problem(data, spec)
    configurations = _sample(spec)
    shares: dict[Batch, list[Configuration]] = {}
    for configuration in configurations:
        shares.setdefault(configuration.batch, []).append(configuration)
    seconds = sum(_seconds(problem, data, spec, members) for members in shares.values())
    trainings = _confirmation_trainings(spec)
    every = spec.budget.trials + trainings
    # What is too short to be cut into as many waves leaves workers idle.
    busy = min(workers, math.ceil(spec.budget.trials / wave_size(spec.budget.trials)))
    foretold = seconds / SAMPLE * (spec.budget.trials / busy + trainings / workers)
    largest = wave_size(spec.budget.trials, spec.budget.trials)
    return Estimate(
        trials=spec.budget.trials,
        confirmation_trainings=trainings,
        samples=every * spec.budget.epochs * len(data.train.inputs),
        seconds=min(foretold, spec.budget.seconds or math.inf),
        bytes=_data_bytes(data) + _wave_bytes(problem, data, spec, configurations, largest),
    )


def _sample(spec: StudySpec) -> list[Configuration]:
    space, rng = Space(spec), np.random.default_rng(spec.seed)
    drawn = Random(Cube(space)).propose([], SAMPLE, rng)
    return [space.configuration(params) for params in drawn]


def _seconds(
    problem: Problem, data: Data, spec: StudySpec, members: Sequence[Configuration]
) -> float:
    """What training all of these to the end would take, as one stack."""
    steps, began = 0, 0.0

    def keep_going() -> bool:
        nonlocal steps, began
        if steps == 1:  # the first step pays for what is set up once
            began = time.perf_counter()
        steps += 1
        return steps < 3 or time.perf_counter() - began < PROBE_SECONDS

    train(
        problem,
        tensors(data.train),
        tensors(data.validation),
        members,
        epochs=spec.budget.epochs,
        seeds=spec.seed,
        stack_trials=len(members),
        keep_going=keep_going,
    )
    taken = time.perf_counter() - began if steps > 1 else 0.0
    rows = len(data.train.inputs)
    epoch = math.ceil(rows / members[0].batch_size(rows))
    return taken / max(steps - 1, 1) * epoch * spec.budget.epochs


def _confirmation_trainings(spec: StudySpec) -> int:
    optimizers = len(Space(spec).optimizers)
    compared = FINALISTS * optimizers
    searched = FINALISTS + min(LEADING, optimizers) - 1  # the best of all is one of each kind
    finalists = compared if spec.question == "compare" else searched
    return min(finalists, spec.budget.trials) * spec.confirmation.seeds


def _data_bytes(data: Data) -> int:
    return sum(
        part.inputs.nbytes + part.targets.nbytes
        for part in (data.train, data.validation, data.test)
    )


def _wave_bytes(
    problem: Problem,
    data: Data,
    spec: StudySpec,
    configurations: Sequence[Configuration],
    size: int,
) -> int:
    members = [configurations[place % len(configurations)] for place in range(size)]
    return estimate_bytes(
        problem, tensors(data.train), tensors(data.validation), members, epochs=spec.budget.epochs
    )
