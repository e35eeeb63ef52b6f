"""A trained network with all that is known of it."""

from dataclasses import dataclass

from optimizers.configuration import Configuration
from studies.environment import Environment
from studies.spec import StudySpec
from studies.trained import Trained
from studies.verdict import Finalist


@dataclass(frozen=True)
class Model:
    """What is handed out.

    Attributes:
        trained: the network.
        spec: of the study, resolved.
        configuration: that it was trained with.
        trial: number of the trial that had this configuration first.
        seed: that it was trained from.
        finalist: what the confirmation says of the configuration; None without one.
        repeats: whether its scores are, to the last bit, those that the study has of this training.
        dataset: name of the table.
        digest: SHA-256 of the table as it is stored.
        environment: that it was trained in.
    """

    trained: Trained
    spec: StudySpec
    configuration: Configuration
    trial: int
    seed: int
    finalist: Finalist | None
    repeats: bool
    dataset: str
    digest: str
    environment: Environment
