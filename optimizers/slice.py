"""The contiguous rows of a stack that share a rule, and what the rule remembers of them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from types import SimpleNamespace

import torch
from torch import Tensor

from optimizers.configuration import Configuration
from optimizers.layout import Layout
from optimizers.registry import find_rule
from optimizers.rule import Probe, Rule, State
from optimizers.schedules import Plateau, Schedule, factors, find_schedule
from optimizers.shaping import Shaping


class Slice:
    """k trials with one rule, in neighbouring rows of a stack.

    Args:
        rule: their rule.
        rows: where they are.
        trials: their configurations.
        state: the rule's memory, each (k, ...).
        layout: of a row.
        shaping: of their gradients.
        plateau: what is remembered of their validation losses, if any schedule watches them.
    """

    def __init__(
        self,
        rule: Rule,
        rows: slice,
        trials: Sequence[Configuration],
        state: State,
        layout: Layout,
        shaping: Shaping,
        plateau: Plateau | None = None,
    ) -> None:
        self.rule, self.rows, self.state = rule, rows, state
        self._trials, self._layout, self._shaping, self._plateau = trials, layout, shaping, plateau
        self._columns = _columns([trial.hyperparameters for trial in trials])
        self._schedules = list(_schedules(trials))
        self._tables: dict[str, tuple[Tensor, ...]] = {}
        self._first = 0
        self._last: SimpleNamespace | None = None

    @property
    def averages(self) -> bool:
        """Whether what is judged differs from what is trained."""
        return self.rule.evaluation_point is not None and self._last is not None

    @property
    def watches(self) -> bool:
        """Whether a schedule's course depends on validation losses yet to come."""
        return self._plateau is not None

    def prepare(self, first: int, steps: int, total: int, like: Tensor) -> None:
        """Make the coefficients of the coming steps, first counted from 0.

        Each is (k, 1) a step, on the device and in the precision of ``like``.
        """
        self._first = first
        step = torch.arange(first, first + steps, dtype=torch.float64)
        h = dict(self._columns)
        h["learning_rate"] = h["learning_rate"] * self._factors(step, total)
        h["total_steps"] = torch.full((1, len(self._trials)), total, dtype=torch.float64)
        tables = self.rule.coefficients(step[:, None] + 1, h)
        shape = (steps, len(self._trials))
        made = torch.stack([table.expand(shape) for table in tables.values()])
        made = made.to(like.device, like.dtype).unsqueeze(-1)
        # Cut into steps here, all at once: doing it step by step costs as much as a kernel.
        self._tables = {
            name: table.unbind(0) for name, table in zip(tables, made.unbind(0), strict=True)
        }

    def update(
        self, step: int, weights: Tensor, gradient: Tensor, probe: Probe | None = None
    ) -> None:
        """One of the prepared steps, counted from 0 over the training; whole stacks: (K, P)."""
        place = step - self._first
        c = SimpleNamespace(**{name: table[place] for name, table in self._tables.items()})
        c.step, c.layout = step + 1, self._layout
        c.probe = None if probe is None else self._shaping.probe(probe)
        weights, gradient = weights[self.rows], gradient[self.rows]
        self._shaping.apply(weights, gradient)
        self.rule.update(weights, gradient, self.state, c)
        self._last = c

    def observe(self, loss: Tensor, steps_done: int, total: int) -> None:
        """Let schedules that watch the validation loss see an epoch's; whole stacks: (K,)."""
        if self._plateau is not None:
            self._plateau.observe(loss[self.rows], steps_done, total)

    def move_to_evaluation_point(self, weights: Tensor) -> None:
        """Replace the slice's rows of (K, P) weights by what is to be judged."""
        if self.rule.evaluation_point is not None and self._last is not None:
            rows = weights[self.rows]
            rows.copy_(self.rule.evaluation_point(rows, self.state, self._last))

    def kept(self, rows: Sequence[int], start: int) -> "Slice":
        """The same with only these rows of the stack left, which move to ``start``.

        This slice gives up its memory buffer by buffer, and is of no use any more.
        """
        inside = [row - self.rows.start for row in rows]
        trials = [self._trials[row] for row in inside]
        state = {name: self.state.pop(name)[inside] for name in list(self.state)}
        plateau = None if self._plateau is None else self._plateau.kept(inside)
        rows_left = slice(start, start + len(inside))
        shaping = self._shaping.kept(inside)
        return Slice(self.rule, rows_left, trials, state, self._layout, shaping, plateau)

    def _factors(self, step: Tensor, total: int) -> Tensor:
        """What every trial's schedule multiplies its learning rate by: (steps, k)."""
        table = torch.empty(len(step), len(self._trials), dtype=torch.float64)
        for schedule, members, columns in self._schedules:
            table[:, members] = factors(schedule, step, total, columns)
        return table if self._plateau is None else table * self._plateau.factor


def slices(trials: Sequence[Configuration], weights: Tensor, layout: Layout) -> Iterator[Slice]:
    """The slices of a stack whose rows are sorted by rule; weights: (K, P)."""
    start = 0
    for name, group in groupby(trials, key=lambda trial: trial.optimizer):
        members, rule = list(group), find_rule(name)
        rows = slice(start, start + len(members))
        state = rule.initial_state(weights[rows], layout)
        shaping = Shaping.of(members, weights)
        yield Slice(rule, rows, members, state, layout, shaping, _plateau(members))
        start = rows.stop


def _columns(each: Sequence[Mapping[str, float]]) -> dict[str, Tensor]:
    """Hyperparameters of k trials as columns: float64, (1, k)."""
    return {
        name: torch.tensor([[one[name] for one in each]], dtype=torch.float64) for name in each[0]
    }


def _schedules(
    trials: Sequence[Configuration],
) -> Iterator[tuple[Schedule, list[int], dict[str, Tensor]]]:
    """Every schedule that occurs, the trials that follow it, and their columns, each (members,)."""
    names = [trial.schedule for trial in trials]
    for name in sorted(set(names)):
        members = [place for place, other in enumerate(names) if other == name]
        columns = _columns([trials[place].schedule_hyperparameters for place in members])
        yield find_schedule(name), members, {n: column[0] for n, column in columns.items()}


def _plateau(trials: Sequence[Configuration]) -> Plateau | None:
    """The memory of those whose schedule watches the validation loss, if there are any."""
    watches = [find_schedule(trial.schedule).watches for trial in trials]
    if not any(watches):
        return None
    watching = trials[watches.index(True)]
    idle = {**watching.schedule_hyperparameters, "patience": float("inf")}
    each = [
        trial.schedule_hyperparameters if watched else idle
        for trial, watched in zip(trials, watches, strict=True)
    ]
    rates = _columns([trial.hyperparameters for trial in trials])["learning_rate"]
    columns = _columns(each) | {"learning_rate": rates}
    return Plateau.start({name: column[0] for name, column in columns.items()})
