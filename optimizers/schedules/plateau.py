"""The schedule with a memory: it lowers the learning rate when the validation loss stops falling.

Its closed form is constant; between two epochs a `Plateau` looks at each trial's validation loss
and lowers that trial's factor for the epochs to come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.hyperparameters import Hyperparameter
from optimizers.schedules.schedule import WARMUP, Schedule, gamma, warm_up_steps

SMALLEST_DROP = 1e-8
"""A learning rate that would fall by no more than this stays as it is, as in torch."""


@dataclass
class Plateau:
    """What is remembered of k trials; all tensors are float64 and (k,).

    Attributes:
        h: the schedule's hyperparameters, and ``learning_rate``, the peak.
        factor: what is left of the peak.
        best: the lowest validation loss so far.
        bad: epochs since without improvement.
        cooling: epochs yet to pass before a bad one counts again.
    """

    h: Mapping[str, Tensor]
    factor: Tensor
    best: Tensor
    bad: Tensor
    cooling: Tensor

    @classmethod
    def start(cls, h: Mapping[str, Tensor]) -> "Plateau":
        """Before the first epoch. A trial of infinite ``patience`` keeps a factor of 1."""
        zero = torch.zeros_like(h["learning_rate"])
        return cls(h, zero + 1, zero + float("inf"), zero, zero)

    def observe(self, loss: Tensor, steps_done: int, total: int) -> None:
        """Take in the validation losses (k,) after an epoch; while warming up nothing counts."""
        h, loss = self.h, loss.to("cpu", torch.float64)
        better = loss < self.best * (1 - h["threshold"])
        best = torch.where(better, loss, self.best)
        bad = torch.where(better | (self.cooling > 0), 0, self.bad + 1)
        cooling = (self.cooling - 1).clamp(min=0)
        due = bad > h["patience"]
        lower = torch.maximum(self.factor * h["gamma"], h["final"])
        drops = due & (h["learning_rate"] * (self.factor - lower) > SMALLEST_DROP)
        factor = torch.where(drops, lower, self.factor)
        cooling = torch.where(due, h["cooldown"], cooling)
        bad = torch.where(due, 0, bad)

        warm = steps_done > warm_up_steps(h["warmup"], total)
        self.factor = torch.where(warm, factor, self.factor)
        self.best = torch.where(warm, best, self.best)
        self.bad = torch.where(warm, bad, self.bad)
        self.cooling = torch.where(warm, cooling, self.cooling)

    def kept(self, trials: Sequence[int]) -> "Plateau":
        """The memory of these trials alone."""
        rows = list(trials)
        h = {name: column[rows] for name, column in self.h.items()}
        return Plateau(h, self.factor[rows], self.best[rows], self.bad[rows], self.cooling[rows])


def _constant(progress: Tensor, h: Mapping[str, Tensor]) -> Tensor:
    return torch.ones_like(progress)


PLATEAU = Schedule(
    "plateau",
    "Drops by a factor whenever the validation loss has not improved for some epochs.",
    "γ^n, n = times that more than P epochs in a row passed without a loss below (1−t) × the best",
    "He et al. 2015 (arXiv:1512.03385)",
    (
        gamma(0.1, low=0.1, high=0.5),
        Hyperparameter(
            "patience",
            10,
            "Epochs P without improvement that are let pass before each drop.",
            low=1,
            high=10,
            scale="log",
            maximum=10**6,
            whole=True,
            source="around a tenth of usual trainings, up to torch's 10",
        ),
        Hyperparameter(
            "threshold",
            1e-4,
            "Share t of the best loss by which a lower one must beat it to count.",
            below=1.0,
        ),
        Hyperparameter(
            "cooldown",
            0,
            "Epochs after a drop in which none counts as bad.",
            maximum=10**6,
            whole=True,
        ),
        Hyperparameter(
            "final",
            0.0,
            "Share of the peak learning rate that is always left.",
            maximum=1.0,
        ),
        WARMUP,
    ),
    _constant,
    watches=True,
)
