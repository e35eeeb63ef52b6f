"""One stack: K trials with equal shapes and equal batch size, trained as one set of tensors.

Weights, gradients and every buffer of a rule are (K, P): one row a trial, all its weights side
by side. Trials are sorted by rule, so a rule updates one contiguous slice of rows with a handful
of kernels, however many layers and trials there are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from optimizers.configuration import Configuration
from optimizers.errors import InvalidProblem
from optimizers.layout import Layout
from optimizers.probe import Batch, BatchProbe
from optimizers.problem import Examples, Problem
from optimizers.slice import slices

BLOW_UP = 100.0
"""A trial whose mean training loss rose above this multiple of the untrained loss has diverged if its
validation loss ends above that. It trains on: large rates overshoot, and what recovers may be best."""

PREPARED_STEPS = 256
"""Coefficients are made for so many steps at once, as far as they are known."""

_JUDGED_TRIALS = 32  # at once, on a CPU: as fast as all of them, and holds less

_ORDER, _NOISE = 2**32, 2**33  # keep a seed's streams (weights, order, noise) apart


@dataclass
class Outcome:
    """What came of one trial.

    Attributes:
        metrics: validation metrics by name, one number an epoch; ends early if it diverged.
        training_loss: mean training loss of each epoch.
        untrained: the validation metrics before the first step.
        diverged_at: the first bad step, counted from 1; None if all went well.
        seconds: this trial's share of the time that its stack took.
        tested: metrics on the test examples; empty without any, or if its last epoch did not end.
        weights: by name, at the point where they are judged; likewise.
    """

    metrics: dict[str, list[float]] = field(default_factory=dict)
    training_loss: list[float] = field(default_factory=list)
    untrained: dict[str, float] = field(default_factory=dict)
    diverged_at: int | None = None
    seconds: float = 0.0
    tested: dict[str, float] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)


class Stack:
    """K trials in training; `epoch` trains and evaluates them once over the data.

    Args:
        problem: what is trained.
        training: the examples trained on.
        validation: the examples that every epoch is judged on.
        configurations: one a trial; their batch sizes must be equal.
        seeds: one a trial: initial weights, order of the batches and noise follow from it.
        epochs: length of the whole training; schedules span it.
        dtype: of weights and arithmetic.
        rehearsal: nobody leaves, whatever the losses: to see what steps cost.

    Raises:
        InvalidProblem: unequal batch sizes, or not one seed a trial.
    """

    def __init__(
        self,
        problem: Problem,
        training: Examples,
        validation: Examples,
        configurations: Sequence[Configuration],
        seeds: Sequence[int],
        epochs: int,
        dtype: torch.dtype = torch.float32,
        *,
        rehearsal: bool = False,
    ) -> None:
        self.problem, self.training, self.validation = problem, training, validation
        sizes = sorted({one.batch_size(len(training)) for one in configurations})
        if len(sizes) != 1 or len(seeds) != len(configurations):
            raise InvalidProblem(
                "stack",
                f"batch sizes {sizes} and {len(seeds)} seeds",
                f"{len(configurations)} trials with equal batch sizes, and a seed each",
            )
        self.batch = sizes[0]
        self.steps_an_epoch = -(-len(training) // self.batch)
        self.total_steps = epochs * self.steps_an_epoch
        self.outcomes = [Outcome() for _ in configurations]
        self._configurations, self._seeds = configurations, seeds
        self._dtype, self._rehearsal = dtype, rehearsal
        self._device = training.inputs.device
        self._steps_done = self._steps_prepared = 0
        # Rows in order of rule; `_row[i]` is the trial that row i trains.
        self._row = sorted(range(len(seeds)), key=lambda trial: configurations[trial].optimizer)

        distinct = sorted(set(seeds))
        self._order = [torch.Generator().manual_seed(seed + _ORDER) for seed in distinct]
        self._noise = [torch.Generator().manual_seed(seed + _NOISE) for seed in distinct]
        self._stream = [distinct.index(seeds[trial]) for trial in self._row]
        drawn = [problem.initial(torch.Generator().manual_seed(seed)) for seed in distinct]
        flat = torch.stack([torch.cat([w.flatten() for w in one.values()]) for one in drawn])
        flat = flat.to(self._device, self._dtype)
        self._layout = Layout(problem.shapes)
        self._lay_out(flat[self._stream].contiguous())
        ordered = [configurations[trial] for trial in self._row]
        self._slices = list(slices(ordered, self._weights, self._layout))
        untrained = self._evaluate(validation)
        self._start = untrained["loss"]  # (K,)
        self._blown: dict[int, int] = {}  # at which step, by trial
        for row, trial in enumerate(self._row):
            self.outcomes[trial].untrained = {
                name: float(values[row]) for name, values in untrained.items()
            }

    @property
    def trials(self) -> int:
        """How many trials are still in training."""
        return len(self._row)

    def epoch(self, keep_going: Callable[[], bool] = lambda: True) -> bool:
        """Train every remaining trial once over the data, judge it, let the diverged leave.

        Returns:
            False if `keep_going`, asked before every step, said no: the epoch does not count then.
        """
        trained = self._train_epoch(keep_going)
        if trained is None:
            return False
        losses, mean = trained
        metrics = self._evaluate(self.validation)
        ceiling = self._start * BLOW_UP
        bad = ~torch.isfinite(losses) | (losses > ceiling[:, None])
        finite = torch.stack([torch.isfinite(values) for values in metrics.values()]).all(0)
        first_bad = torch.where(bad.any(1), bad.int().argmax(1), self.steps_an_epoch - 1)
        before = self._steps_done
        self._steps_done += self.steps_an_epoch
        for row in (~(mean <= ceiling)).nonzero().flatten().tolist():
            self._blown.setdefault(self._row[row], before + int(first_bad[row]) + 1)
        gone = ~finite | ~torch.isfinite(mean)
        if self._steps_done == self.total_steps:
            blown = torch.tensor([trial in self._blown for trial in self._row])
            gone |= blown.to(gone.device) & (metrics["loss"] > self._start)
        if self._rehearsal:
            gone[:] = False
        for part in self._slices:
            part.observe(metrics["loss"], self._steps_done, self.total_steps)
        columns = {name: values.tolist() for name, values in metrics.items()}
        for row, (trial, lost) in enumerate(zip(self._row, gone.tolist(), strict=True)):
            outcome = self.outcomes[trial]
            if lost:
                now = before + int(first_bad[row]) + 1
                outcome.diverged_at = self._blown.get(trial, now)
                continue
            outcome.training_loss.append(float(mean[row]))
            for name, values in columns.items():
                outcome.metrics.setdefault(name, []).append(values[row])
        if gone.any():
            self._keep([row for row, lost in enumerate(gone.tolist()) if not lost])
        return True

    def test(self, examples: Examples) -> None:
        """Judge the remaining trials on examples that nothing in their training has seen."""
        for name, values in self._evaluate(examples).items():
            for trial, value in zip(self._row, values.tolist(), strict=True):
                self.outcomes[trial].tested[name] = value

    def hand_out(self) -> None:
        """Give the remaining trials' weights to their outcomes."""
        for name, tensor in self._layout.by_name(self._judged()).items():
            for row, trial in enumerate(self._row):
                self.outcomes[trial].weights[name] = tensor[row].clone()

    def _train_epoch(self, keep_going: Callable[[], bool]) -> tuple[Tensor, Tensor] | None:
        """One pass over the training examples: every step's losses, (K, steps), and their mean."""
        # Made once: small tensors kept from each step would cut the heap to pieces between them.
        losses = self._weights.new_empty(len(self._weights), self.steps_an_epoch)
        for place, batch in enumerate(self._batches()):
            if not keep_going():
                return None
            step = self._steps_done + place
            if step == self._steps_prepared:
                self._prepare(step)
            loss = self.problem.gradient(self._weights_by_name, *batch, self._gradient_by_name)
            for part in self._slices:
                probe = None
                if part.rule.probes:
                    probe = BatchProbe(self.problem, self._layout, part.rows, batch)
                part.update(step, self._weights, self._gradient, probe)
            losses[:, place] = loss
        # Trials first: a sum over the other dimension would depend on the number of trials.
        return losses[: self.trials], losses.mean(1)[: self.trials]

    def _prepare(self, first: int) -> None:
        """Make the coefficients of the coming steps, the first counted from 0."""
        watching = any(part.watches for part in self._slices)
        known = self._steps_done + self.steps_an_epoch if watching else self.total_steps
        last = min(first + PREPARED_STEPS, known)
        for part in self._slices:
            part.prepare(first, last - first, self.total_steps, self._weights)
        self._steps_prepared = last

    def _batches(self) -> Iterator[Batch]:
        """The epoch's batches: inputs (K, b, *features), targets (K, b), noise (K, *shape)."""
        orders = [torch.randperm(len(self.training), generator=g) for g in self._order]
        shared = len(orders) == 1
        order = torch.stack(orders)  # (streams, rows)
        everything = self.training.inputs[order], self.training.targets[order]
        for start in range(0, len(self.training), self.batch):
            batch = [part[:, start : start + self.batch] for part in everything]
            drawn = [self.problem.noise(g, batch[0].shape[1]) for g in self._noise]
            batch += [
                torch.stack(masks).to(self._device, self._dtype)
                for masks in zip(*drawn, strict=True)
            ]
            # One stream is every trial's: a view for all of them, no copies.
            inputs, targets, *noise = (
                part.expand(len(self._stream), *part.shape[1:]) if shared else part[self._stream]
                for part in batch
            )
            yield inputs, targets, tuple(noise)

    def _judged(self) -> Tensor:
        """The weights to judge and to keep, (K, P): for some rules an average of those in training."""
        if not any(part.averages for part in self._slices):
            return self._weights
        weights = self._weights.clone()
        for part in self._slices:
            part.move_to_evaluation_point(weights)
        return weights

    def _evaluate(self, examples: Examples) -> dict[str, Tensor]:
        weights = self._judged()
        parts = -(-len(weights) // judged_together(len(weights), self._device))
        with torch.no_grad():
            metrics = [
                self.problem.evaluate(self._layout.by_name(part), examples)
                for part in torch.tensor_split(weights, parts)
            ]
        return {
            name: torch.cat([one[name] for one in metrics])[: self.trials] for name in metrics[0]
        }

    def _lay_out(self, weights: Tensor) -> None:
        """Take (K, P) weights, and make the views by layer into them and their gradients.

        A lone trial gets an idle row beside it, which no rule ever updates: products and sums
        over a single row take other kernels, and round otherwise than in a stack.
        """
        if len(weights) == 1:
            weights, self._stream = weights.repeat(2, 1), self._stream * 2
        self._weights, self._weights_by_name = weights, self._layout.by_name(weights)
        self._gradient = torch.zeros_like(weights)
        self._gradient_by_name = self._layout.by_name(self._gradient)

    def _keep(self, rows: list[int]) -> None:
        """Compact the stack to these rows, one tensor after another: memory holds it but once."""
        del self._gradient, self._gradient_by_name
        kept, start = [], 0
        for part in self._slices:
            inside = [row for row in rows if part.rows.start <= row < part.rows.stop]
            if inside:
                kept.append(part.kept(inside, start))
                start += len(inside)
        self._slices = kept
        self._steps_prepared = self._steps_done
        self._row = [self._row[row] for row in rows]
        self._stream = [self._stream[row] for row in rows]
        self._start = self._start[rows]
        self._lay_out(self._weights[rows])


def judged_together(trials: int, device: torch.device) -> int:
    """So many of a stack's trials are evaluated at once, at most."""
    if device.type != "cpu":
        return trials
    return -(-trials // -(-trials // _JUDGED_TRIALS))  # parts as equal as can be
