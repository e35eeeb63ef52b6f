"""What happened to one trial, step by step, in words: its log."""

from collections.abc import Iterator
from datetime import datetime

from optuna.trial import FrozenTrial
from pydantic import BaseModel

from studies.divergence import Trouble
from studies.report import TrialView
from studies.spec import StudySpec

_ORIGINS = {
    "default": "the optimizer's defaults",
    "portfolio": "good on other data",
    "sampler": "the sampler's choice",
}
_TROUBLES: dict[Trouble, str] = {
    "blow_up": "the loss blew up",
    "oscillation": "late scores swing as much as they gained",
    "plateau": "never clearly better than untrained",
}


class Line(BaseModel):
    """One line of a trial's log.

    Attributes:
        at: when it happened, if that was recorded.
    """

    at: datetime | None
    text: str


def history(trial: FrozenTrial, shown: TrialView, spec: StudySpec) -> list[Line]:
    """The log of a stored trial.

    Args:
        trial: as it is stored.
        shown: the same as users see it.
        spec: of its study, resolved.
    """
    wave = trial.user_attrs.get("wave")  # another program may have asked
    asked = f"asked{'' if wave is None else f' in wave {wave}'}: {_chosen(shown)}"
    lines = [Line(at=_aware(trial.datetime_start), text=asked)]
    lines += [Line(at=None, text=text) for text in _steps(shown, spec)]
    if shown.outcome != "running":
        lines.append(Line(at=_aware(trial.datetime_complete), text=_end(shown)))
    return lines


def _chosen(shown: TrialView) -> str:
    source = shown.transferred
    if source is None:
        return _ORIGINS[shown.origin]
    return f"trial {source.trial} of job {source.job} found it, on {source.dataset!r}"


def _steps(shown: TrialView, spec: StudySpec) -> Iterator[str]:
    for epochs, value in shown.rungs.items():
        if epochs != shown.dropped_at:
            yield f"passed the rung of {epochs} epochs: {spec.goal.name} {value:.6g}"
            continue
        met = f"rung of {epochs} epochs: {spec.goal.name} {value:.6g}"
        last = shown.threshold
        limit = "" if last is None else f", the last that passed had {last:.6g}"
        audited = "; trains on, to see whether dropping is right" if shown.audited else ""
        yield f"failed the {met}{limit}{audited}"
    if shown.diverged_at is not None:
        yield f"diverged at step {shown.diverged_at}"
    if shown.trouble is not None:
        yield f"in trouble: {_TROUBLES[shown.trouble]}"


def _end(shown: TrialView) -> str:
    scores = ", ".join(f"{name} {value:.6g}" for name, value in shown.metrics.items())
    spent = ""
    if shown.seconds is not None:
        spent = f" after {shown.epochs} epochs, {shown.seconds:.3g} s of its stack's time"
    why = f" ({shown.reason})" if shown.reason else ""
    return f"{shown.outcome}{why}{spent}{': ' if scores else ''}{scores}"


def _aware(moment: datetime | None) -> datetime | None:
    """Optuna hands out local times without a zone."""
    return None if moment is None else moment.astimezone()
