"""Which trials are not beaten in score, training time and optimizer memory at once."""

from collections.abc import Iterable
from math import isfinite

from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict

from studies.spec import StudySpec


class Unbeaten(BaseModel):
    """A completed trial that no other beats in all three respects.

    Attributes:
        number: of the trial.
        score: the study's metric at the end.
        seconds: its training took, rungs together; its share, as trials train in stacks. So small
            differences between trials of one optimizer are chance.
        state_bytes: what its optimizer remembers from step to step, for this model.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    number: int
    optimizer: str
    score: float
    seconds: float
    state_bytes: int


def pareto(spec: StudySpec, trials: Iterable[FrozenTrial]) -> list[Unbeaten]:
    """The Pareto front of the completed trials, best score first; of equals the first.

    One pass in order of score (Kung, Luccio & Preparata 1975, On Finding the Maxima of a Set of
    Vectors): a trial is beaten if one before it was as quick with as little memory. There are
    as many amounts of memory as optimizers, so it takes n log n steps.

    Args:
        spec: resolved.
        trials: of the study. Those that do not tell their memory, or whose score is not finite,
            are left out.
    """
    sign = spec.goal.sign
    known = sorted(
        (
            sign * trial.values[0],
            trial.user_attrs["seconds"],
            trial.user_attrs["state_bytes"],
            trial.number,
            trial.params["optimizer"],
        )
        for trial in trials
        if trial.state == TrialState.COMPLETE
        and isfinite(trial.values[0])
        and "state_bytes" in trial.user_attrs
    )
    front: list[Unbeaten] = []
    quickest: dict[int, float] = {}  # seconds, by bytes
    for score, seconds, size, number, optimizer in known:
        if all(more > size or longer > seconds for more, longer in quickest.items()):
            quickest[size] = seconds
            front.append(
                Unbeaten(
                    number=number,
                    optimizer=optimizer,
                    score=sign * score,
                    seconds=seconds,
                    state_bytes=size,
                )
            )
    return front
