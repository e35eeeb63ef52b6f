"""What is wrong with a learning curve, if anything: the signs of a rate too large or too small."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from studies.spec import Goal

Trouble = Literal["blow_up", "oscillation", "plateau"]
"""``blow_up``: non-finite, or a loss far above its start, as the training engine found it;
``oscillation``: late scores swing by more than half of all progress made; ``plateau``: never clearly
better than untrained."""

CLEAR = 0.05
"""Progress counts from here: share of the way from the untrained score to a perfect one."""

SWING = 0.5
"""Late swings of more than this share of the progress made are an oscillation."""

LEAST_SWING = 0.2
"""And of more than this share of the way from the untrained score to a perfect one."""

FEWEST_EPOCHS = 6
"""A shorter curve has no late half to judge: it does not oscillate."""


def trouble(
    goal: Goal, untrained: float, curve: Sequence[float], diverged_at: int | None
) -> Trouble | None:
    """The trouble that a training was in; None for a curve as it should be.

    Progress is from the untrained score to the best of the curve. A swing is a move against the
    trend of the curve's second half: the smaller of its largest rise and its largest fall, so
    that neither steady learning nor steady overfitting swings.

    Args:
        goal: what the curve is of; its best value is known.
        untrained: the metric before the first step.
        curve: the metric after each epoch, (epochs,).
        diverged_at: the step at which the engine gave the training up.
    """
    if diverged_at is not None:
        return "blow_up"
    if not curve:
        return None
    scores = goal.sign * np.asarray(curve)
    progress = goal.sign * untrained - scores.min()
    way = abs((goal.best or 0.0) - untrained)
    if len(scores) >= FEWEST_EPOCHS:
        late = scores[len(scores) // 2 :]
        rise = (late - np.minimum.accumulate(late)).max()
        fall = (np.maximum.accumulate(late) - late).max()
        if min(rise, fall) > max(SWING * progress, LEAST_SWING * way):
            return "oscillation"
    return "plateau" if progress < CLEAR * way else None
