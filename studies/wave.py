"""One wave: trials asked together and trained together; a pure function of its description."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

import torch

from optimizers.configuration import Configuration
from optimizers.memory import state_bytes
from optimizers.models.cnn import CNN
from optimizers.models.mlp import MLP
from optimizers.models.text import EmbeddingBag
from optimizers.models.transformer import Transformer
from optimizers.objectives import CrossEntropy, Objective, SquaredError
from optimizers.problem import Examples, Problem
from optimizers.stack import Outcome
from optimizers.training import train
from studies.data.prepare import Data
from studies.data.prepare import Examples as Rows
from studies.data.texts import TOKENS
from studies.divergence import Trouble, trouble
from studies.rungs import FEWEST_STEPS, decide, ladder
from studies.spec import StudySpec

CURVE_POINTS = 50  # a stored learning curve is thinned to about this many


Result_co = TypeVar("Result_co", covariant=True)


class Pending(Protocol[Result_co]):
    """Work under way, as a `concurrent.futures.Future` is."""

    def result(self) -> Result_co:
        """Wait for it and return what came of it."""


@dataclass(frozen=True)
class WaveTrial:
    """One trial of a wave.

    Attributes:
        number: in the study.
        configuration: what to train.
        seed: to train from.
        default: whether it is an optimizer's documented default: no rung drops it, so that every
            optimizer has a complete trial at least.
    """

    number: int
    configuration: Configuration
    seed: int
    default: bool = False


@dataclass(frozen=True)
class TrialResult:
    """What came of one trial.

    Attributes:
        number: the trial's number in its study.
        outcome: ``dropped`` means not good enough at a rung, ``stopped`` ended by the budget or a
            cancel before its last epoch.
        value: the study's metric after the last epoch; None unless completed.
        metrics: every validation metric after the last epoch that it reached.
        curve: the study's metric by epoch of its last rung, counted from 1.
        diverged_at: the first bad step of its last rung, counted from 1.
        seconds: its share of the time that its stacks took.
        epochs: passes over the training rows, those of all rungs together.
        samples: rows trained on in them, counted as often.
        state_bytes: what its optimizer remembers from step to step.
        rungs: the study's metric at the end of every rung below the last, by epochs.
        dropped_at: the rung that dropped it, in epochs, or should have if it was audited.
        threshold: the value of the last trial that passed that rung.
        audited: whether it went on to the end to see whether dropping it was right.
        untrained: the study's metric before the first step; None if it never began.
        trouble: what was wrong with the curve of its last rung; None too if it was stopped.
        reason: why it could not be trained; None if it could.
    """

    number: int
    outcome: Literal["completed", "dropped", "diverged", "stopped"]
    value: float | None
    metrics: dict[str, float]
    curve: dict[int, float]
    diverged_at: int | None
    seconds: float
    epochs: int
    samples: int
    state_bytes: int
    rungs: dict[int, float]
    dropped_at: int | None = None
    threshold: float | None = None
    audited: bool = False
    untrained: float | None = None
    trouble: Trouble | None = None
    reason: str | None = None


def build_problem(data: Data, spec: StudySpec) -> Problem:
    """The network and loss of a resolved spec."""
    objective: Objective
    if spec.task == "classification":
        objective, outputs = CrossEntropy(class_weights=data.class_weights), len(data.classes)
    else:
        objective, outputs = SquaredError(data.target_scale), 1
    model = spec.model
    if model.kind == "cnn":
        channels, height, width = data.train.inputs.shape[1:]
        image = (channels, height, width)
        return CNN(image, outputs, objective, model.channels, model.activation, model.dropout)
    if model.kind in {"text", "transformer"}:
        vocabulary = int(data.train.inputs.max()) + 1  # whose every word is in the training rows
        if model.kind == "text":
            return EmbeddingBag(vocabulary, outputs, objective, model.embedding, model.dropout)
        (hidden_width,) = model.hidden
        return Transformer(
            vocabulary=vocabulary,
            length=TOKENS,
            outputs=outputs,
            objective=objective,
            width=model.embedding,
            heads=model.heads,
            hidden=hidden_width,
            dropout=model.dropout,
        )
    hidden = model.hidden if model.kind == "mlp" else []
    features = data.train.inputs.shape[1]
    return MLP(features, outputs, objective, hidden, model.activation, model.dropout)


def run_wave(
    data: Data,
    spec: StudySpec,
    trials: list[WaveTrial],
    keep_going: Callable[[], bool] = lambda: True,
    wave: int = 0,
) -> list[TrialResult]:
    """Train the trials of a wave; the same wave gives the same results, wherever it runs.

    Args:
        data: the prepared table.
        spec: resolved.
        trials: of the wave.
        keep_going: asked before every epoch of every stack; False ends the wave there.
        wave: its number in the study.
    """
    problem = build_problem(data, spec)
    training, validation = tensors(data.train), tensors(data.validation)
    courses = [_Course(trial) for trial in trials]
    for epochs in ladder(spec, wave):
        top = epochs == spec.budget.epochs
        going = [course for course in courses if course.trains(epochs, len(training), top=top)]
        if not going:
            continue
        outcomes = train(
            problem,
            training,
            validation,
            [course.trial.configuration for course in going],
            epochs=epochs,
            seeds=[course.trial.seed for course in going],
            keep_going=keep_going,
        )
        for course, outcome in zip(going, outcomes, strict=True):
            course.rungs.append((epochs, outcome))
        if top or any(course.ended_early for course in going):
            break
        for rivals in _rivals(spec, going):
            numbers = [course.trial.number for course in rivals]
            decisions = decide(
                spec, numbers, [course.value(spec) for course in rivals], spec.goal.sign
            )
            for course, decision in zip(rivals, decisions, strict=True):
                if decision.audited or not decision.goes_on:
                    course.dropped_at, course.threshold = epochs, decision.threshold
                    course.audited = decision.audited
    return [course.result(spec, len(training), problem) for course in courses]


@dataclass
class _Course:
    """A trial on its way up: what came of each rung, by epochs."""

    trial: WaveTrial
    rungs: list[tuple[int, Outcome]] = field(default_factory=list)
    dropped_at: int | None = None
    threshold: float | None = None
    audited: bool = False

    def trains(self, epochs: int, rows: int, *, top: bool) -> bool:
        """Whether it takes part in a rung; at the top everyone does who was not dropped."""
        if top:
            return self.dropped_at is None or self.audited
        if self.trial.default:
            return False
        steps = epochs * -(-rows // self.trial.configuration.batch_size(rows))
        return self.dropped_at is None and steps >= FEWEST_STEPS

    @property
    def ended_early(self) -> bool:
        """Whether its last rung ended before its last epoch, and not by diverging."""
        epochs, outcome = self.rungs[-1]
        return outcome.diverged_at is None and len(outcome.training_loss) < epochs

    def value(self, spec: StudySpec) -> float | None:
        """The study's metric at the end of its last rung; None if it did not get there."""
        epochs, outcome = self.rungs[-1]
        curve = outcome.metrics.get(spec.goal.name, [])
        return curve[-1] if len(curve) == epochs else None

    def result(self, spec: StudySpec, rows: int, problem: Problem) -> TrialResult:
        """All of it in the words of the study."""
        metric = spec.goal.name
        epochs, outcome = self.rungs[-1] if self.rungs else (0, Outcome())
        value = self.value(spec) if self.rungs else None
        curve, untrained = outcome.metrics.get(metric, []), outcome.untrained.get(metric)
        every = -(-len(curve) // CURVE_POINTS) or 1
        passes = sum(len(outcome.training_loss) for _, outcome in self.rungs)
        ending: Literal["completed", "dropped", "diverged", "stopped"] = "stopped"
        if outcome.diverged_at is not None:
            ending = "diverged"
        elif value is not None and epochs == spec.budget.epochs:
            ending = "completed"
        elif value is not None and self.dropped_at == epochs and not self.audited:
            ending = "dropped"
        return TrialResult(
            number=self.trial.number,
            outcome=ending,
            value=value if ending == "completed" else None,
            metrics={name: values[-1] for name, values in outcome.metrics.items()},
            curve={
                epoch: value
                for epoch, value in enumerate(curve, 1)
                if epoch % every == 0 or epoch == len(curve)
            },
            diverged_at=outcome.diverged_at,
            seconds=sum(outcome.seconds for _, outcome in self.rungs),
            epochs=passes,
            samples=passes * rows,
            state_bytes=state_bytes(self.trial.configuration.optimizer, problem.shapes),
            rungs={at: below.metrics[metric][-1] for at, below in self.rungs[:-1]},
            dropped_at=self.dropped_at if ending != "diverged" else None,
            threshold=self.threshold if ending != "diverged" else None,
            audited=self.audited,
            untrained=untrained,
            trouble=(
                trouble(spec.goal, untrained, curve, outcome.diverged_at)
                if untrained is not None and ending != "stopped"
                else None
            ),
        )


def _rivals(spec: StudySpec, going: list[_Course]) -> list[list[_Course]]:
    """Who competes at a rung: all, or each optimizer's trials where optimizers are compared."""
    if spec.question == "search":
        return [going]
    names = sorted({course.trial.configuration.optimizer for course in going})
    return [[c for c in going if c.trial.configuration.optimizer == name] for name in names]


def tensors(rows: Rows) -> Examples:
    """Prepared rows as training takes them."""
    return Examples(torch.from_numpy(rows.inputs), torch.from_numpy(rows.targets))
