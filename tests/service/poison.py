"""What trials may do to the workers that train them."""

import os
import signal
from collections.abc import Collection

import torch

from service import worker
from service.worker import Wave
from studies.confirmation import Run
from studies.wave import TrialResult


def train_wave(
    wave: Wave, deadly: Collection[int] = (), greedy: Collection[int] = ()
) -> list[TrialResult]:
    """As `service.worker` does, but some trials kill the process, and some want all memory."""
    numbers = {trial.number for trial in wave.trials}
    if numbers.intersection(deadly):
        os.kill(os.getpid(), signal.SIGKILL)
    if numbers.intersection(greedy):
        torch.empty(1 << 60, dtype=torch.uint8)
    return worker.train_wave(wave)


def confirm_wave(wave: Wave) -> list[Run]:
    """A confirmation that nobody survives."""
    os.kill(os.getpid(), signal.SIGKILL)
    return []
