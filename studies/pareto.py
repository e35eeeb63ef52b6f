"""Which trials are not beaten in score, training time and optimizer memory at once."""

from collections.abc import Iterable

from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict

from studies.spec import MAXIMIZED, StudySpec


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
        trials: of the study. Those that do not tell their memory are left out.
    """
    sign = -1 if spec.metric in MAXIMIZED else 1
    known = sorted(
        (
            Unbeaten(
                number=trial.number,
                optimizer=trial.params["optimizer"],
                score=trial.values[0],
                seconds=trial.user_attrs["seconds"],
                state_bytes=trial.user_attrs["state_bytes"],
            )
            for trial in trials
            if trial.state == TrialState.COMPLETE and "state_bytes" in trial.user_attrs
        ),
        key=lambda one: (sign * one.score, one.seconds, one.state_bytes, one.number),
    )
    front: list[Unbeaten] = []
    quickest: dict[int, float] = {}  # seconds, by bytes
    for one in known:
        if all(
            size > one.state_bytes or seconds > one.seconds for size, seconds in quickest.items()
        ):
            front.append(one)
            quickest[one.state_bytes] = one.seconds
    return front
