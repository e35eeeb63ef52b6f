"""Train a stored trial again and see whether the same comes of it, bit for bit."""

from dataclasses import dataclass

from optuna.trial import FrozenTrial

from studies.data.prepare import Data
from studies.errors import SpecError
from studies.run import described
from studies.space import Space
from studies.spec import RungsSpec, StudySpec
from studies.wave import WaveTrial, run_wave


@dataclass(frozen=True)
class Replay:
    """A trial trained again.

    Attributes:
        stored: the study's metric by epoch of the trial's last rung, as it was stored.
        curve: the same by this training.
    """

    stored: dict[int, float]
    curve: dict[int, float]

    @property
    def matches(self) -> bool:
        """Whether every number is the same; in the same environment it is."""
        return self.parts_at is None

    @property
    def parts_at(self) -> int | None:
        """The first stored epoch with another number; None if there is none."""
        epochs = sorted(self.stored | self.curve)
        return next((e for e in epochs if self.stored.get(e) != self.curve.get(e)), None)


def last_rung(spec: StudySpec, trial: FrozenTrial) -> tuple[StudySpec, WaveTrial]:
    """What to train to repeat the last rung of a stored trial: a spec, and a wave of one trial.

    Args:
        spec: the study's, resolved.
        trial: completed or dropped, with its intermediate values.

    Raises:
        SpecError: the trial did not reach the end of a rung.
    """
    epochs = max(trial.intermediate_values, default=0)
    reached = trial.user_attrs.get("outcome")
    if reached not in {"completed", "dropped"}:
        raise SpecError(
            f"trial {trial.number} can be replayed if it was completed or dropped. "
            f"It is {reached or 'running'}.",
            field="trial",
            value=trial.number,
            allowed="a completed or dropped trial",
        )
    alone = spec.model_copy(
        update={
            "budget": spec.budget.model_copy(update={"epochs": epochs}),
            "rungs": RungsSpec(rule="none"),
        }
    )
    (member,) = described(Space(spec), spec, [trial])
    return alone, member


def replay(data: Data, spec: StudySpec, trial: FrozenTrial) -> Replay:
    """Train the last rung of a stored trial again, alone: nobody it shared a stack with matters.

    Args:
        data: the table of the study, prepared as the study did.
        spec: the study's, resolved.
        trial: completed or dropped, with its intermediate values.

    Raises:
        SpecError: the trial did not reach the end of a rung.
    """
    alone, member = last_rung(spec, trial)
    (result,) = run_wave(data, alone, [member])
    return Replay(trial.intermediate_values, result.curve)
