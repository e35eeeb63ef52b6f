"""Whether scores of different jobs compare, which of them do, and if not, why."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from studies.spec import StudySpec


@dataclass(frozen=True)
class Compared:
    """One of the jobs.

    Attributes:
        label: what it is called among them.
        dataset: name of its table; None if its trials are trained elsewhere.
        digest: SHA-256 of the table.
        spec: resolved.
    """

    label: str
    dataset: str | None
    digest: str | None
    spec: StudySpec


def obstacles(jobs: Sequence[Compared]) -> list[str]:
    """A sentence for everything that keeps their scores from comparing; none if they do."""
    found = []
    elsewhere = [each.label for each in jobs if each.dataset is None]
    if elsewhere:
        found.append(
            f"{_listed(elsewhere)}: trained elsewhere, so nobody here knows which rows judged."
        )
    here = [each for each in jobs if each.dataset is not None]
    for says, of, shown in _ASPECTS:
        if len({of(each) for each in (jobs if of is _metric else here)}) > 1:
            values = "; ".join(f"{each.label}: {shown(each)}" for each in jobs)
            found.append(f"{says} ({values}).")
    return found


def alike(jobs: Sequence[Compared]) -> list[list[str]]:
    """Labels of those whose scores do compare with one another, group by group."""
    groups: dict[Hashable, list[str]] = {}
    for each in jobs:
        if each.dataset is not None:
            key = tuple(of(each) for _, of, _ in _ASPECTS)
            groups.setdefault(key, []).append(each.label)
    return [labels for labels in groups.values() if len(labels) > 1]


def _metric(job: Compared) -> Hashable:
    return job.spec.goal.name, job.spec.goal.direction


def _split(job: Compared) -> str:
    split = job.spec.split
    if split is None:
        return "usual"
    return split.kind if split.column is None else f"{split.kind} by {split.column}"


_ASPECTS: tuple[tuple[str, Callable[[Compared], Hashable], Callable[[Compared], object]], ...] = (
    ("The tables differ", lambda job: job.digest, lambda job: job.dataset),
    ("The targets differ", lambda job: job.spec.target, lambda job: job.spec.target),
    ("The metrics differ", _metric, lambda job: job.spec.goal.name),
    ("The splits differ, so other rows judged", lambda job: job.spec.split, _split),
    (
        "The seeds differ, so other rows judged",
        lambda job: job.spec.seed,
        lambda job: job.spec.seed,
    ),
)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)
