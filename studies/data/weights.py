"""What a row of each class counts in training."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studies.errors import unknown


def class_weights(
    asked: Literal["balanced"] | Mapping[str, float] | None,
    classes: Sequence[str],
    targets: NDArray[np.int64],
) -> tuple[float, ...] | None:
    """The weight of each class, as scikit-learn's ``class_weight`` has it.

    Args:
        asked: "balanced" for rows / (classes * rows of the class); weights by class name, 1 for
            those that are left out; None for none.
        classes: names by number.
        targets: class numbers of the training rows: (rows,).

    Returns:
        By class number. A class without training rows has the weight 1, and does not count.

    Raises:
        SpecError: a weight is given to what is no class.
    """
    if asked is None:
        return None
    if asked != "balanced":
        check_weighted(asked, classes)
        return tuple(asked.get(name, 1.0) for name in classes)
    counts = np.bincount(targets, minlength=len(classes))
    trained = int((counts > 0).sum())
    return tuple(len(targets) / (trained * int(count)) if count else 1.0 for count in counts)


def check_weighted(asked: Mapping[str, float], classes: Sequence[str]) -> None:
    """Refuse weights of what is no class.

    Raises:
        SpecError: there is one.
    """
    for name in asked:
        if name not in classes:
            raise unknown("class_weight", name, list(classes))
