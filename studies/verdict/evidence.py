"""What a verdict rests on: the trials of a study, and the finalists' scores on fresh seeds.

Inside this package scores are losses: the metric with its sign such that lower is better.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from studies.errors import EvidenceError
from studies.verdict.models import About, Direction

FINALISTS = 4  # of each optimizer: fewer understate the luck of tuning, more add nothing

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """One trial of the search.

    Attributes:
        number: in its study; tuning goes in order of number.
        optimizer: by name.
        value: the metric on the validation rows, of a dropped trial at its rung; None if it
            diverged.
        dropped: whether a rung dropped it; such a trial is no finalist and comes after all that
            completed, as it came to at worst what it had reached.
    """

    number: int
    optimizer: str
    value: float | None
    dropped: bool = False

    @property
    def completed(self) -> bool:
        """Whether it trained to the end."""
        return self.value is not None and not self.dropped


@dataclass(frozen=True)
class Arm:
    """One optimizer's trials, ranked by validation, best first.

    Attributes:
        numbers: of its trials, by rank.
        validation: losses by rank, ascending; infinite where there is no value, of a dropped trial
            no less than of any that completed: (trials,).
        test: losses by rank and seed: (trials, seeds). Of a trial that was not confirmed: those
            of the next better one that was, plus the difference in validation.
        confirmed: ranks of the trials that were trained again.
        diverged: which runs did: (confirmed, seeds).
    """

    optimizer: str
    numbers: tuple[int, ...]
    validation: Floats
    test: Floats
    confirmed: tuple[int, ...]
    diverged: NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """All of it, checked.

    Attributes:
        sign: 1 where the metric is minimized, -1 where it is maximized.
        arms: of the optimizers with a completed trial, by name.
        worst: the loss that a diverged run counts as.
        about: what is compared.
    """

    sign: int
    arms: tuple[Arm, ...]
    worst: float
    about: About

    def called(self, optimizer: str) -> str:
        """What sentences call what stands for an optimizer."""
        return optimizer if self.about == "optimizers" else f"{optimizer}'s best"


def finalists(
    direction: Direction, trials: Sequence[Trial], per_optimizer: int = FINALISTS
) -> list[int]:
    """Which trials to train again: the best of every optimizer, by validation.

    Tuning once more would pick another configuration. How different it would score is seen from
    the runners-up, so the best alone is not enough. The best of all are among these.

    Returns:
        Trial numbers, best validation first; of equal ones the earlier trial.

    Raises:
        EvidenceError: wrong trials, or ``per_optimizer`` below 1.
    """
    if per_optimizer < 1:
        raise _error("per_optimizer", per_optimizer, "at least 1")
    _check_trials(direction, trials)
    found: dict[str, list[int]] = {}
    for trial in _ranked(direction, trials):
        best = found.setdefault(trial.optimizer, [])
        if trial.completed and len(best) < per_optimizer:
            best.append(trial.number)
    chosen = {number for best in found.values() for number in best}
    return [trial.number for trial in _ranked(direction, trials) if trial.number in chosen]


def gather(
    direction: Direction,
    trials: Sequence[Trial],
    confirmed: Mapping[int, Sequence[float | None]],
    chance: float | None,
    about: About = "optimizers",
) -> Evidence:
    """Check and rank everything.

    Raises:
        EvidenceError: see `studies.verdict.judge`.
    """
    _check_trials(direction, trials)
    _check_confirmed(trials, confirmed)
    sign = 1 if direction == "minimize" else -1
    by_number = {trial.number: trial for trial in trials}
    seen = [sign * v for scores in confirmed.values() for v in scores if v is not None]
    # Were all to diverge, the worst score would be unknown: validation stands in.
    seen = seen or [sign * (by_number[number].value or 0.0) for number in confirmed]
    worst = max([*seen, *([] if chance is None else [sign * chance])], default=0.0)
    ranked = _ranked(direction, trials)
    arms = (
        _arm(name, [t for t in ranked if t.optimizer == name], confirmed, sign, worst)
        for name in sorted({trial.optimizer for trial in trials if trial.completed})
    )
    return Evidence(sign=sign, arms=tuple(arms), worst=worst, about=about)


def _arm(
    optimizer: str,
    ranked: Sequence[Trial],
    confirmed: Mapping[int, Sequence[float | None]],
    sign: int,
    worst: float,
) -> Arm:
    if ranked[0].number not in confirmed:
        raise _error(
            "confirmed",
            sorted(confirmed),
            f"trial {ranked[0].number} among them, the best of {optimizer}; `finalists` names all",
        )
    validation = np.maximum.accumulate(
        [math.inf if trial.value is None else sign * trial.value for trial in ranked]
    )
    rows: list[Floats] = []
    diverged: list[list[bool]] = []
    places: list[int] = []
    for rank, trial in enumerate(ranked):
        scores = confirmed.get(trial.number)
        if scores is not None:
            places.append(rank)
            diverged.append([score is None for score in scores])
            rows.append(np.array([worst if score is None else sign * score for score in scores]))
        elif trial.value is None:
            rows.append(np.full_like(rows[0], worst))
        else:
            behind = validation[rank] - validation[places[-1]]
            rows.append(np.minimum(rows[places[-1]] + behind, worst))
    return Arm(
        optimizer=optimizer,
        numbers=tuple(trial.number for trial in ranked),
        validation=validation,
        test=np.stack(rows),
        confirmed=tuple(places),
        diverged=np.array(diverged),
    )


def _ranked(direction: Direction, trials: Sequence[Trial]) -> list[Trial]:
    """Best validation first, the dropped behind the completed, the diverged last.

    Of equal ones the earlier trial, as tuning does.
    """
    sign = 1 if direction == "minimize" else -1
    return sorted(
        trials,
        key=lambda t: (
            not t.completed,
            math.inf if t.value is None else sign * t.value,
            t.number,
        ),
    )


def _check_trials(direction: Direction, trials: Sequence[Trial]) -> None:
    if direction not in get_args(Direction):
        raise _error("direction", direction, list(get_args(Direction)))
    numbers = [trial.number for trial in trials]
    if len(set(numbers)) < len(numbers):
        repeated = next(number for number in numbers if numbers.count(number) > 1)
        raise _error("trials", repeated, "each number once")
    for trial in trials:
        if trial.value is not None and not math.isfinite(trial.value):
            raise _error(f"trials.{trial.number}.value", trial.value, "a finite number or None")


def _check_confirmed(
    trials: Sequence[Trial], confirmed: Mapping[int, Sequence[float | None]]
) -> None:
    completed = {trial.number for trial in trials if trial.completed}
    seeds = {len(scores) for scores in confirmed.values()}
    if len(seeds) > 1 or (seeds and min(seeds) < 2):
        raise _error("confirmed", sorted(seeds), "the same number of seeds for all, at least 2")
    for number, scores in confirmed.items():
        if number not in completed:
            raise _error("confirmed", number, "numbers of completed trials")
        for score in scores:
            if score is not None and not math.isfinite(score):
                raise _error(f"confirmed.{number}", score, "finite numbers or None")


def _error(field: str, value: object, allowed: object) -> EvidenceError:
    return EvidenceError(
        f"{field} must be {allowed}. Got {value!r}.", field=field, value=value, allowed=allowed
    )
