"""The verdict itself: finalists, pairs, curves, and one sentence for the user."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from studies.errors import EvidenceError
from studies.verdict.curves import curves
from studies.verdict.evidence import Arm, Evidence, Floats, Trial, gather
from studies.verdict.models import About, Direction, Finalist, Interval, Pair, Verdict
from studies.verdict.pairs import compare

UNSEEN = "on rows that no trial has seen"
NEXT_RUN = 0.99  # of a single run: who trains a model once wants to rely on it


def judge(
    direction: Direction,
    trials: Sequence[Trial],
    confirmed: Mapping[int, Sequence[float | None]],
    *,
    chance: float | None = None,
    margin: float | None = None,
    bounds: Interval = (-math.inf, math.inf),
    confidence: float = 0.95,
    about: About = "optimizers",
    grain: float = 0.0,
) -> Verdict:
    """Say which optimizer is better, as far as the evidence goes.

    The claim is about optimizers, each tuned with the same number of trials: the luck of tuning is
    in every interval of a pair, see `studies.verdict.difference`; or only about the configurations
    that were found. A run that diverged counts as the worst score: of all runs, or `chance` if that
    is worse. The same evidence gives the same verdict.

    Args:
        direction: of the metric.
        trials: all of the study.
        confirmed: test scores by trial number, one a seed, None if it diverged; the same seeds for
            all. Those that `finalists` names, at least the first of every optimizer.
        chance: the score of a network that learned nothing.
        margin: smaller differences are of no practical matter, in units of the metric; left out,
            the standard deviation from seed to seed of the steadier one of the two picks.
        bounds: least and greatest score that the metric can have; no interval of a finalist
            passes them.
        confidence: of every interval; one minus the error rate of all pairs together.
        about: what to compare.
        grain: the smallest difference between two scores where there is one, as of an accuracy: equal
            scores do not mean that the next one will be the same.

    Raises:
        EvidenceError: a number twice, a score that is not finite, seeds that differ in number or
            are fewer than two, an optimizer whose best trial is not confirmed, or an option
            outside its range.
    """
    _check_options(chance, margin, confidence)
    evidence = gather(direction, trials, confirmed, chance, about)
    pairs = compare(evidence, margin, alpha=1 - confidence)
    leading = _leading(evidence.arms, pairs)
    silent = sorted({t.optimizer for t in trials} - {arm.optimizer for arm in evidence.arms})
    rows = [
        row for arm in evidence.arms for row in _finalists(arm, evidence, bounds, confidence, grain)
    ]
    beaten = _against(leading[0], "beats", pairs) if leading else []
    return Verdict(
        winner=leading[0] if beaten and len(beaten) == len(evidence.arms) - 1 else None,
        leading=leading,
        about=about,
        sentence=_conclusion(leading, pairs, silent, evidence),
        finalists=sorted(rows, key=lambda row: (evidence.sign * row.mean, row.number)),
        pairs=pairs,
        curves=curves(evidence, confidence),
        confidence=confidence,
    )


def _check_options(chance: float | None, margin: float | None, confidence: float) -> None:
    for field, value, allowed, fine in (
        ("chance", chance, "a finite number", chance is None or np.isfinite(chance)),
        ("margin", margin, "a finite number at least 0", margin is None or 0 <= margin < np.inf),
        ("confidence", confidence, "at least 0.5 and below 1", 0.5 <= confidence < 1),
    ):
        if not fine:
            message = f"{field} must be {allowed}. Got {value!r}."
            raise EvidenceError(message, field=field, value=value, allowed=allowed)


def _finalists(
    arm: Arm, evidence: Evidence, bounds: Interval, confidence: float, grain: float
) -> list[Finalist]:
    """One row a confirmed trial."""

    def shown(losses: Interval) -> Interval:
        ends = losses if evidence.sign == 1 else (-losses[1], -losses[0])
        low, high = np.clip(ends, *bounds)
        return float(low), float(high)

    rows = []
    for rank, lost in zip(arm.confirmed, arm.diverged, strict=True):
        losses, sign = arm.test[rank], evidence.sign
        rows.append(
            Finalist(
                number=arm.numbers[rank],
                optimizer=arm.optimizer,
                validation=sign * float(arm.validation[rank]),
                mean=sign * float(losses.mean()),
                interval=shown(_interval_of_mean(losses, confidence)),
                next_run=shown(_next_run(losses, lost, evidence.worst, grain)),
                seeds=len(losses),
                diverged=int(lost.sum()),
            )
        )
    return rows


def _interval_of_mean(losses: Floats, confidence: float) -> Interval:
    half = stats.t.ppf((1 + confidence) / 2, len(losses) - 1) * stats.sem(losses)
    return float(losses.mean() - half), float(losses.mean() + half)


def _next_run(losses: Floats, lost: NDArray[np.bool_], worst: float, grain: float) -> Interval:
    """Student's prediction interval from the runs that ended well; up to the worst if any did not."""
    well = losses[~lost]
    if len(well) < 2:
        return float(losses.min()), worst
    spread = np.hypot(well.std(ddof=1), grain / 2) * np.sqrt(1 + 1 / len(well))
    half = stats.t.ppf((1 + NEXT_RUN) / 2, len(well) - 1) * spread
    high = worst if lost.any() else float(well.mean() + half)
    return float(well.mean() - half), high


def _leading(arms: Sequence[Arm], pairs: Sequence[Pair]) -> list[str]:
    """Whom nobody beats, by the test score of the trial that tuning picked.

    There is one: wins as likely as 3/4 cannot go in a circle (Usiskin 1964, Max-Min Probabilities
    in the Voting Paradox), and a confidence of at least 0.5 asks for that.
    """
    beaten = {
        name
        for pair in pairs
        for name in (pair.first, pair.second)
        if pair.winner not in (None, name)
    }
    ranked = sorted(arms, key=lambda arm: (arm.test[0].mean(), arm.optimizer))
    return [arm.optimizer for arm in ranked if arm.optimizer not in beaten]


def _against(name: str, outcome: str, pairs: Sequence[Pair]) -> list[str]:
    """Whom an optimizer that nobody beats has this outcome with."""
    return sorted(
        pair.second if pair.first == name else pair.first
        for pair in pairs
        if pair.outcome == outcome and name in (pair.first, pair.second)
    )


def _conclusion(
    leading: Sequence[str], pairs: Sequence[Pair], silent: Sequence[str], evidence: Evidence
) -> str:
    """One sentence, and another on optimizers without a completed trial."""

    def named(optimizers: Sequence[str]) -> str:
        return _listed([evidence.called(name) for name in optimizers])

    tail = f" No trial of {_listed(silent)} completed." if silent else ""
    if not leading:
        return tail.strip() or "There are no trials."
    leader = leading[0]
    beaten, tied, open_ = (_against(leader, outcome, pairs) for outcome in ("beats", "tie", "open"))
    if not pairs:
        return f"{named([leader])} was compared with no other.{tail}"
    if not beaten:
        near = named(sorted([leader, *tied, *open_]))
        return f"{near} {'cannot be told apart' if open_ else 'tie'} {UNSEEN}.{tail}"
    said = f"{named([leader])} beats {named(beaten)} {UNSEEN}"
    if tied:
        said += f"; {named(tied)} {'ties' if len(tied) == 1 else 'tie'} with it"
    if open_:
        said += f"; {named(open_)} cannot be told from it"
    return f"{said}.{tail}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
